//! Chaincode packages: archives within archives.

use std::cell::RefCell;

use fabric_chaincode_host::{Package, PackageStore};

/// A package: what can be read can be installed, is stored as it came and is listed under its id.
pub(crate) fn package(data: &[u8]) {
    thread_local! {
        static STORE: RefCell<(u32, Option<(tempfile::TempDir, PackageStore)>)> = const { RefCell::new((0, None)) };
    }
    let Ok(parsed) = Package::parse(data) else {
        return;
    };
    STORE.with_borrow_mut(|(uses, store)| {
        *uses += 1;
        if *uses > 1_000 {
            (*uses, *store) = (0, None);
        }
        let (_, store) = store.get_or_insert_with(|| {
            let dir = tempfile::tempdir().expect("a directory");
            let store = PackageStore::open(dir.path()).expect("a store");
            (dir, store)
        });
        let id = fabric_chaincode_host::package_id(&parsed.label, data);
        if let Ok(installed) = store.install(data) {
            assert_eq!(installed.package_id, id);
        }
        assert_eq!(store.bytes(&id).expect("it is installed"), data);
        assert_eq!(store.package(&id).expect("it is installed").label, parsed.label);
    });
}
