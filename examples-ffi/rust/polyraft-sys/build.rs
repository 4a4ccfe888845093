//! Finds libpolyraft: POLYRAFT_LIBRARY_DIR, `build/lib` of the checkout that this lies in, pkg-config, or where the
//! linker looks by itself.
use std::path::{Path, PathBuf};
use std::process::Command;

const FILE_NAME: &str = "libpolyraft.so";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=POLYRAFT_LIBRARY_DIR");
    println!("cargo:rustc-link-lib=dylib=polyraft");
    if let Some(directory) = chosen().or_else(in_checkout).or_else(by_pkg_config) {
        println!("cargo:rustc-link-search=native={}", directory.display());
        println!("cargo:library_dir={}", directory.display());
    }
}

fn chosen() -> Option<PathBuf> {
    let directory = PathBuf::from(std::env::var_os("POLYRAFT_LIBRARY_DIR")?);
    assert!(
        directory.join(FILE_NAME).exists(),
        "POLYRAFT_LIBRARY_DIR is {}, and {FILE_NAME} is not there",
        directory.display()
    );
    Some(directory)
}

fn in_checkout() -> Option<PathBuf> {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let top = own.ancestors().find(|top| top.join("definitions/polyraft.json").exists())?;
    let directory = top.join("build/lib");
    println!("cargo:rerun-if-changed={}", directory.display());
    directory.join(FILE_NAME).exists().then_some(directory)
}

fn by_pkg_config() -> Option<PathBuf> {
    let found = Command::new("pkg-config").args(["--variable=libdir", "polyraft"]).output().ok()?;
    let directory = String::from_utf8(found.stdout).ok()?;
    let directory = Path::new(directory.trim()).to_path_buf();
    directory.join(FILE_NAME).exists().then_some(directory)
}
