//! From the text of kernels to one for g++: the words of CUDA in front, a line for each kernel behind.

/// The words that a text's own prelude leaves to the emulator.
const WORDS: &str = concat!(include_str!("state.h"), include_str!("words.h"));

/// What the preprocessor puts around the bound of a kernel where it is to list them, in front of the kernel's name.
const MARK: &str = "@KERNEL(";
const END: &str = ")@";

/// A kernel that a text declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// The most threads of a block, as an expression.
    pub bound: String,
}

/// The text that g++ gets, but for the descriptions; what the compiler says counts the lines of `text` alone.
pub fn with_words(file: &str, text: &str) -> String {
    format!("{WORDS}\n#line 1 \"{file}\"\n{text}\n")
}

/// Lines behind the text that describe its kernels to the runtime.
pub fn descriptions(kernels: &[Declared]) -> String {
    kernels.iter().map(|kernel| format!("EMULATE({}, ({}))\n", kernel.name, kernel.bound)).collect()
}

/// The kernels of a text that went through the preprocessor with `EMULATOR_LIST`.
pub fn declared(preprocessed: &str) -> Result<Vec<Declared>, String> {
    preprocessed.split(MARK).skip(1).map(|rest| one(rest).ok_or_else(|| unnamed(rest))).collect()
}

fn one(rest: &str) -> Option<Declared> {
    let (bound, rest) = rest.split_once(END)?;
    let (name, _) = rest.split_once('(')?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| Declared { name: name.into(), bound: bound.into() })
}

fn unnamed(rest: &str) -> String {
    format!(
        "KERNEL(threads) stands in front of a name and its arguments, not in KERNEL({:.60}",
        rest.replace('\n', " ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_found_with_their_bounds() {
        let kernels = declared("a; @KERNEL((32 * f(8)))@ one(int n) { }\n@KERNEL(64)@\n two_3 (float* x) {}").unwrap();
        let expected = [("one", "(32 * f(8))"), ("two_3", "64")];
        assert_eq!(kernels, expected.map(|(name, bound)| Declared { name: name.into(), bound: bound.into() }));
    }

    #[test]
    fn a_kernel_without_a_name_is_told() {
        let error = declared("@KERNEL(64)@ void one(int n) {}").unwrap_err();
        assert!(error.contains("not in KERNEL(64)@ void one"), "{error}");
    }
}
