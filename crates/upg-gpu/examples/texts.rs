//! Writes the texts of all kernels to a folder: `NAME.NUMBER.cu`, and what specialises each in `NAME.NUMBER.defines`, for a look at what a compiler makes of them.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).expect("usage: texts FOLDER"));
    std::fs::create_dir_all(&folder)?;
    for (i, source) in upg_gpu::catalogue::catalogue().iter().enumerate() {
        let name = source.name.trim_end_matches(".cu");
        std::fs::write(folder.join(format!("{name}.{i}.cu")), &source.text)?;
        let defines: Vec<String> = source.defines.iter().map(|(name, value)| format!("{name}={value}")).collect();
        std::fs::write(folder.join(format!("{name}.{i}.defines")), defines.join("\n"))?;
    }
    Ok(())
}
