// What is changed of the published sources of interledger-rs's program before they are built, and
// why. Each text must be found exactly as often as is said, or nothing is built.

export interface Change {
  /** Path within the package. */
  file: string;
  from: string;
  times: number;
  to: string;
}

export interface Package {
  name: string;
  version: string;
  changes: readonly Change[];
}

/**
 * `ManuallyDrop` of the standard library around a value that is not there yet is what compilers
 * refuse; this has its name and those of its functions that the channel uses.
 */
const SLOT = `use std::mem::MaybeUninit;

/// A value that the channel's state says is there, or not.
struct ManuallyDrop<T>(MaybeUninit<T>);

impl<T> ManuallyDrop<T> {
    fn new(value: T) -> Self {
        ManuallyDrop(MaybeUninit::new(value))
    }

    fn absent() -> Self {
        ManuallyDrop(MaybeUninit::uninit())
    }

    unsafe fn drop(slot: &mut Self) {
        std::ptr::drop_in_place(slot.0.as_mut_ptr())
    }
}

impl<T> std::ops::Deref for ManuallyDrop<T> {
    type Target = T;

    fn deref(&self) -> &T {
        unsafe { &*self.0.as_ptr() }
    }
}
`;

/** The program, whose copy uses those of the other packages. */
export const PROGRAM: Package = {
  name: "ilp-node",
  version: "0.6.0",
  changes: [
    {
      // It and libraries of its family use what they do not ask `hex` for.
      file: "Cargo.toml",
      from: '[dependencies.hex]\nversion = "0.4.0"\n',
      times: 1,
      to: '[dependencies.hex]\nversion = "0.4.0"\nfeatures = ["serde", "std"]\n',
    },
  ],
};

/** Libraries that do not run as they are when compiled today. */
export const LIBRARIES: readonly Package[] = [
  {
    // "attempted to leave type `futures::task_impl::Task` uninitialized, which is invalid"
    name: "tokio-sync",
    version: "0.1.8",
    changes: [
      {
        file: "src/oneshot.rs",
        from: "use std::mem::{self, ManuallyDrop};\n",
        times: 1,
        to: SLOT,
      },
      {
        file: "src/oneshot.rs",
        from: "ManuallyDrop::new(unsafe { mem::uninitialized() })",
        times: 2,
        to: "ManuallyDrop::absent()",
      },
    ],
  },
];

/** The file's text with the change made; `where` names it in the error when it does not fit. */
export function makeChange(text: string, { from, times, to }: Change, where: string): string {
  const parts = text.split(from);
  if (parts.length === times + 1) return parts.join(to);
  throw new Error(
    `${where} is not as expected: it has ${JSON.stringify(from)} ${parts.length - 1} times, not ` +
      `${times}. Nothing was built; adapt test/bench/interledger-rs/changes.ts.`,
  );
}
