package ferrule

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

func TestLongAssetCodeIsRefused(t *testing.T) {
	wasm, err := os.ReadFile("../../../build/board.wasm")
	if err != nil {
		t.Fatal(err)
	}
	core, err := New(context.Background(), wasm, [8]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	defer core.Close()
	// Cut to eight bits its length would be 1.
	var refused *RefusedError
	if err := core.SetAsset(0, strings.Repeat("X", 257), 9); !errors.As(err, &refused) {
		t.Fatalf("it answers %v", err)
	}
}
