//! All targets in one libFuzzer program, because most of the time goes into building: `CARELEDGER_FUZZ_TARGET` chooses. With
//! `CARELEDGER_FUZZ_SEEDS` it writes the first inputs of every target into that directory instead.
#![no_main]

use std::sync::OnceLock;

use careledger_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static CHOSEN: OnceLock<&Target> = OnceLock::new();

fuzz_target!(
    init: {
        if let Some(corpus) = std::env::var_os("CARELEDGER_FUZZ_SEEDS") {
            careledger_fuzz::seeds::write(corpus.as_ref()).expect("the directory can be written");
            std::process::exit(0);
        }
    },
    |data: &[u8]| (chosen().run)(data)
);

fn chosen() -> &'static Target {
    CHOSEN.get_or_init(|| {
        let wanted = std::env::var("CARELEDGER_FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|target| target.name == wanted);
        found.unwrap_or_else(|| {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            panic!(
                "CARELEDGER_FUZZ_TARGET is {wanted:?}: set it to one of {}",
                names.join(", ")
            )
        })
    })
}
