//! A compiled text, and whether a launch is one that its kernel takes.

use super::abi::Kernel;
use super::compiler::{Compiler, Library, Loaded};
use super::mode::Care;
use super::text;
use crate::gpu::{Argument, Launch, Source};
use std::ffi::CStr;

/// Threads of a block, and blocks in y and z: the limits of every card.
const MOST_THREADS: u32 = 1024;
const MOST_BLOCKS: [u32; 3] = [i32::MAX as u32, 65535, 65535];

/// A text of kernels, compiled for the host and loaded.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    name: &'static str,
    library: &'static Loaded,
}

impl Module {
    /// Compiles a text.
    pub(super) fn compile(compiler: &Compiler, source: &Source, care: Care) -> Result<Self, String> {
        let name = source.name;
        let arguments = arguments(compiler, source, care);
        let complete = |text: String| {
            let list = [arguments.clone(), vec!["-DEMULATOR_LIST=1".into()]].concat();
            let kernels = text::declared(&compiler.preprocess(name, &text, &list)?)?;
            Ok(text + &text::descriptions(&kernels))
        };
        let text = text::with_words(name, &source.text);
        Ok(Self { name, library: compiler.library(name, &text, &arguments, Library::Local, complete)? })
    }

    /// Name of its text.
    pub(super) fn name(&self) -> &str {
        self.name
    }

    /// The kernel that a launch names.
    pub(super) fn kernel(&self, launch: &Launch<'_>) -> Result<&'static Kernel, String> {
        let place = self.library.place::<Kernel>(&format!("emulated_{}", launch.kernel));
        let place = place.ok_or("there is no such kernel in this text")?;
        // SAFETY: names that begin so are those of such structures, constants in a library that stays loaded.
        Ok(unsafe { &*place })
    }
}

/// Macros and flags for a text.
fn arguments(compiler: &Compiler, source: &Source, care: Care) -> Vec<String> {
    let mut arguments = match care {
        Care::Usual => compiler.flags(&["-O2", "-ffp-contract=off"]),
        // What the user adds is left out: no two sanitizers go together.
        Care::Counting => {
            compiler.plain_flags(&["-O1", "-ffp-contract=off", "-fsanitize=thread", "-DEMULATOR_COUNTS=1"])
        }
    };
    arguments.push("-DEMULATED=1".into());
    arguments.extend(source.defines.iter().map(|(key, value)| format!("-D{key}={value}")));
    arguments
}

impl Kernel {
    /// That a launch has the arguments of the kernel's signature, a grid and a block that a card takes, and not too much shared memory.
    pub fn check(&self, launch: &Launch<'_>, shared_memory: usize) -> Result<(), String> {
        // SAFETY: a constant text in a library that stays loaded.
        let kinds = unsafe { CStr::from_ptr(self.kinds) }.to_bytes();
        let given: Vec<u8> = launch.arguments.iter().map(letter).collect();
        if kinds != given {
            return Err(format!("it takes ({}) and is given ({})", words(kinds), words(&given)));
        }
        if launch.grid.iter().zip(MOST_BLOCKS).any(|(&blocks, most)| blocks == 0 || blocks > most) {
            return Err(format!("a grid of {:?} blocks, of 1 to {MOST_BLOCKS:?}", launch.grid));
        }
        let most = MOST_THREADS.min(self.bound.cast_unsigned());
        if launch.block.contains(&0) || launch.block[0].saturating_mul(launch.block[1]) > most {
            return Err(format!("blocks of {:?} threads, of 1 to {most}", launch.block));
        }
        if launch.shared as usize > shared_memory {
            return Err(format!("{} bytes of shared memory, of {shared_memory}", launch.shared));
        }
        Ok(())
    }
}

/// The kind of an argument, as a signature has it.
fn letter(argument: &Argument) -> u8 {
    match argument {
        Argument::Address(_) => b'p',
        Argument::Int(_) => b'i',
        Argument::Long(_) => b'l',
        Argument::Single(_) => b'f',
        Argument::Double(_) => b'd',
    }
}

fn words(kinds: &[u8]) -> String {
    let word = |kind: &u8| match kind {
        b'p' => "pointer",
        b'i' => "int",
        b'l' => "u64",
        b'f' => "float",
        _ => "double",
    };
    kinds.iter().map(word).collect::<Vec<_>>().join(", ")
}
