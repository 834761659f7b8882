//! Device keys, freezing, and what an altered peer gains.

use super::*;

fn add(world: &World, by: &Key, new: &Key) -> Done {
    let addition = KeyAddition {
        patient: world.wallet.patient(),
        key: new.0.public_key(),
        salt: world.wallet.salt(),
    };
    let nonce = SignedIntent::nonce_of(new.id().as_bytes());
    let intent = by.sign(world, "addKey", nonce, ("addition", &addition));
    let portal = portal(world);
    send(
        world,
        IdentityClient::new(&portal).add_key(HOSPITAL, addition, intent),
        &BOTH,
    )
}

fn rotate(world: &World, by: &Key, new: &Key) -> Done {
    let rotation = KeyRotation {
        patient: world.wallet.patient(),
        key: new.0.public_key(),
        salt: world.wallet.salt(),
    };
    let nonce = SignedIntent::nonce_of(new.id().as_bytes());
    let intent = by.sign(world, "rotateKey", nonce, ("rotation", &rotation));
    let portal = portal(world);
    send(
        world,
        IdentityClient::new(&portal).rotate_key(HOSPITAL, rotation, intent),
        &BOTH,
    )
}

fn revoke(world: &World, by: &Key, old: &Key) -> Done {
    let removal = KeyRemoval {
        patient: world.wallet.patient(),
        key: old.id(),
        salt: world.wallet.salt(),
    };
    let intent = by.sign(world, "revokeKey", world.wallet.nonce(), ("removal", &removal));
    let portal = portal(world);
    send(
        world,
        IdentityClient::new(&portal).revoke_key(HOSPITAL, removal, intent),
        &[HOSPITAL],
    )
}

#[tokio::test]
async fn a_rotation_swaps_both_kinds_of_key_in_one_transaction() {
    let world = world().await;
    let (own, p256, ed25519) = (owner(), Key::new(62), Key::new(63));
    rotate(&world, &own, &p256).unwrap();
    assert!(matches!(grant(&world, &own), Err(HealthError::BadIntent(_))));
    grant(&world, &p256).unwrap();
    rotate(&world, &p256, &ed25519).unwrap();
    grant(&world, &ed25519).unwrap();
    let back = rotate(&world, &ed25519, &own);
    assert!(matches!(back, Err(HealthError::Duplicate(_))), "{back:?}");
    assert_eq!(account(&world).account.live, [ed25519.id()].into());
}

#[tokio::test]
async fn keys_are_bounded_and_a_revocation_needs_nobody_else() {
    let world = world().await;
    let own = owner();
    let keys: Vec<Key> = (70..77).map(Key::new).collect();
    for key in &keys {
        add(&world, &own, key).unwrap();
    }
    let ninth = add(&world, &own, &Key::new(80));
    assert!(matches!(ninth, Err(HealthError::Limit(_))), "{ninth:?}");
    revoke(&world, &keys[0], &own).unwrap();
    assert!(matches!(
        add(&world, &own, &Key::new(80)),
        Err(HealthError::BadIntent(_))
    ));
    add(&world, &keys[0], &Key::new(80)).unwrap();
    let live = account(&world).account.live;
    assert!(live.len() == 8 && !live.contains(&own.id()));
    let before = add(&world, &keys[0], &own);
    assert!(matches!(before, Err(HealthError::Duplicate(_))), "{before:?}");
}

fn freeze(world: &World, by: &Key, lost: Option<&Key>) -> Done {
    let freeze = AccountFreeze {
        patient: world.wallet.patient(),
        lost: lost.map(Key::id),
        salt: world.wallet.salt(),
    };
    let intent = by.sign(world, "freeze", world.wallet.nonce(), ("freeze", &freeze));
    let portal = portal(world);
    send(
        world,
        IdentityClient::new(&portal).freeze(HOSPITAL, freeze, intent),
        &[HOSPITAL],
    )
}

fn unfreeze(world: &World, by: &Key) -> Done {
    let step = account_step(world);
    let intent = by.sign(world, "unfreeze", world.wallet.nonce(), ("step", &step));
    let portal = portal(world);
    send(
        world,
        IdentityClient::new(&portal).unfreeze(HOSPITAL, step, intent),
        &BOTH,
    )
}

#[tokio::test]
async fn a_frozen_account_grants_nothing_until_another_key_or_the_guardians_open_it() {
    let world = world().await;
    let (own, tablet, phone) = (owner(), Key::new(62), Key::new(63));
    choose(&world, &own, &policy(2, RULES.default_delay)).unwrap();
    add(&world, &own, &tablet).unwrap();
    add(&world, &own, &phone).unwrap();
    freeze(&world, &own, Some(&phone)).unwrap();
    for closed in [
        grant(&world, &own),
        grant(&world, &tablet),
        add(&world, &tablet, &Key::new(64)),
        rotate(&world, &tablet, &Key::new(64)),
        choose(&world, &own, &policy(3, RULES.default_delay)),
    ] {
        assert!(matches!(closed, Err(HealthError::ConflictState(_))), "{closed:?}");
    }
    assert!(
        matches!(unfreeze(&world, &phone), Err(HealthError::BadIntent(_))),
        "the lost key is gone"
    );
    assert!(matches!(
        unfreeze(&world, &own),
        Err(HealthError::SodViolation(_))
    ));
    unfreeze(&world, &tablet).unwrap();
    grant(&world, &own).unwrap();

    let by_guardians = |freeze: u32, who: &[&Key]| {
        let unfreezing = Unfreezing {
            patient: world.wallet.patient(),
            approvals: who
                .iter()
                .map(|g| g.approves(&world, GuardianAct::Unfreeze { freeze }))
                .collect(),
            salt: world.wallet.salt(),
        };
        let portal = portal(&world);
        send(
            &world,
            IdentityClient::new(&portal).unfreeze_by_guardians(HOSPITAL, unfreezing),
            &BOTH,
        )
    };
    let [one, two, _] = guardians();
    freeze(&world, &tablet, None).unwrap();
    let few = by_guardians(1, &[&one]);
    assert!(matches!(few, Err(HealthError::Forbidden(_))), "{few:?}");
    let twice = by_guardians(1, &[&one, &one]);
    assert!(matches!(twice, Err(HealthError::Forbidden(_))), "{twice:?}");
    let old = by_guardians(0, &[&one, &two]);
    assert!(
        matches!(old, Err(HealthError::BadIntent(_))),
        "signed for the first freeze: {old:?}"
    );
    by_guardians(1, &[&one, &two]).unwrap();
    grant(&world, &tablet).unwrap();
}

#[tokio::test]
async fn two_organisations_guard_what_decides_about_keys() {
    let world = world().await;
    let fresh = Key::new(61);
    waiting(&world, &fresh);
    let [one, ..] = guardians();
    let tx = veto(&world, &owner()).unwrap();
    freeze(&world, &owner(), None).unwrap();
    let patient = world.wallet.patient();
    let keys = [
        format!("acct~{patient}"),
        format!("rec~{patient}~{R}"),
        format!("recap~{patient}~{R}~{}", one.commitment()),
        format!("recveto~{patient}~{R}"),
        format!("freeze~{patient}~00000000"),
        format!("ntc~{tx}"),
    ];
    let peer = world.client(HOSPITAL, Role::Custodian);
    for key in keys {
        let policy =
            peer.transact(|ctx| Ok::<_, HealthError>(ctx.private_key_policy("care_HospitalMSP", &key)?));
        let expected = KeyPolicy::all_peers([HOSPITAL, REGULATOR]);
        assert_eq!(policy.unwrap().value, Some(expected), "{key}");
    }
}

/// The custodian's altered peer alone can write a key that nobody added, and a consent signed with it: no honest vault acts on it.
#[tokio::test]
async fn a_key_that_nobody_added_releases_nothing() {
    let world = world().await;
    let patient = world.wallet.patient();
    let evil = Key::new(66);
    let altered = world.client(HOSPITAL, Role::Custodian);
    let key = format!("key~{patient}~{}", evil.id());
    let salt = world.wallet.salt();
    altered
        .transact(|ctx| {
            let value = serde_json::json!({
                "key": evil.0.public_key(), "added": "00", "salt": salt,
            });
            ctx.private_put_json("care_HospitalMSP", &key, &value)?;
            Ok::<_, HealthError>(())
        })
        .unwrap();
    grant(&world, &evil).unwrap();
    let tx = world.access(&[Category::Laboratory]).await.unwrap();
    assert_eq!(world.outcome(&tx).await.unwrap().outcome, Outcome::Permitted);
    let release = world.release(&tx, world.now()).await.unwrap();
    assert!(release.fresh && release.documents.is_empty());
    assert!(
        matches!(add(&world, &evil, &Key::new(67)), Err(HealthError::Forbidden(_))),
        "and the account does not know it"
    );
}

/// An account that one organisation wrote before the patient enrolled, with a key of its own in it, is believed by nobody.
#[tokio::test]
async fn an_account_with_a_stranger_in_it_is_refused() {
    let world = world().await;
    let patient = world.wallet.patient();
    let evil = Key::new(66);
    let altered = world.client(HOSPITAL, Role::Custodian);
    altered
        .transact(|ctx| {
            let key = format!("acct~{patient}");
            let mut head: serde_json::Value = ctx
                .private_get_json("care_HospitalMSP", &key)?
                .unwrap_or_default();
            head["account"]["live"] = serde_json::json!([evil.id()]);
            ctx.private_put_json("care_HospitalMSP", &key, &head)?;
            Ok::<_, HealthError>(())
        })
        .unwrap();
    let refused = grant(&world, &owner());
    assert!(matches!(refused, Err(HealthError::Ledger(_))), "{refused:?}");
}

#[tokio::test]
async fn the_patient_alone_asks_for_the_account_by_a_signed_question() {
    let world = world().await;
    let query = careledger_api::contracts::consent::SignedQuery {
        patient: world.wallet.patient(),
        reader: CLINIC.into(),
    };
    let own = owner();
    let signed = |by: &Key| {
        let scope_act = Act {
            period: Period {
                from: world.now() - 60,
                until: world.now() + 300,
            },
            ..world.wallet.act("identity", "myAccount", world.wallet.nonce())
        };
        let mut wallet = Wallet::new(1);
        wallet.key = by.0.clone();
        wallet.sign_for(world.wallet.patient(), None, &scope_act, "query", &query)
    };
    let ask = |organisation: &str, intent: SignedIntent| {
        let client = world.client(organisation, Role::Portal);
        now(IdentityClient::new(&client)
            .my_account(HOSPITAL, query.clone(), intent)
            .endorsed_by([REGULATOR])
            .send())
    };
    let view = ask(CLINIC, signed(&own)).unwrap();
    assert_eq!(view.account.live, [own.id()].into());
    assert!(matches!(
        contract_error(ask(HOSPITAL, signed(&own))),
        HealthError::Forbidden(_)
    ));
    assert!(matches!(
        contract_error(ask(CLINIC, signed(&Key::new(66)))),
        HealthError::BadIntent(_)
    ));
}
