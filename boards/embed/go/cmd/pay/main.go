// Alice pays Bob through a connector of our own: go run ./cmd/pay CORE
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"
	"math/big"
	"os"
	"time"

	"example.org/ferrule"
)

const now = time.Second // in earnest, time since the start

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	wasm, err := os.ReadFile(os.Args[1])
	check(err)
	wall := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)             // in earnest, time.Now()
	core, err := ferrule.New(context.Background(), wasm, [8]byte{}) // in earnest, a random seed
	check(err)
	defer core.Close()
	check(core.Clock(now, wall))
	check(core.SetAsset(0, "XRP", 9))
	check(core.SetRate(0, 0, 1, 1))
	local := ferrule.Account{Name: "local", Relation: ferrule.RelationLocal}
	alice := ferrule.Account{Name: "alice", Relation: ferrule.RelationPeer, BalanceMaximum: big.NewInt(1000)}
	bob := ferrule.Account{Name: "bob", Relation: ferrule.RelationPeer}
	check(core.SetAccount(ferrule.LocalAccount, local))
	check(core.SetAccount(1, alice))
	check(core.SetAccount(2, bob))
	check(core.SetAddress("test.go"))
	check(core.SetRoute("test.bob", 2))
	check(core.LinkUp(1, ferrule.LinkKindRaw))
	check(core.LinkUp(2, ferrule.LinkKindRaw))

	secret, wrong := [32]byte{7}, [32]byte{8}
	prepare := ferrule.Prepare{
		Amount:      250,
		ExpiresAt:   wall.Add(10 * time.Second),
		Condition:   sha256.Sum256(secret[:]),
		Destination: "test.bob.shop",
	}
	for _, fulfillment := range [][32]byte{secret, wrong} {
		requests, err := core.Request(1, 77, prepare, now)
		check(err)
		request := requests[0]
		sent := request.Packet.(ferrule.Prepare)
		fmt.Printf("to account %d: Prepare %d for %s\n", request.Account, sent.Amount, sent.Destination)
		fulfill := ferrule.Fulfill{Fulfillment: fulfillment}
		answers, err := core.Reply(uint32(request.Account), request.ID, fulfill, now)
		check(err)
		for _, answer := range answers {
			switch packet := answer.Packet.(type) {
			case ferrule.Fulfill:
				fmt.Printf("to account %d: Fulfill\n", answer.Account)
			case ferrule.Reject:
				fmt.Printf("to account %d: Reject %s %s\n", answer.Account, packet.Code, packet.Message)
			}
		}
		fmt.Printf("alice %d, bob %d\n", core.Balance(1), core.Balance(2))
	}
}
