//! Requests for authorisations.

use super::*;
use careledger_api::contracts::claims::AuthorisationRequest;

/// By hand: two services for the subscriber, one for a dependent.
const FILE: &str = include_str!("../../../tests/samples/request.278");

fn read(file: &str) -> Vec<Read> {
    authorisations_from_x12(file.as_bytes(), &directory()).unwrap()
}

fn requests(read: &Read) -> Vec<AuthorisationRequest> {
    match &read.outcome {
        Ok(Submission::Authorisations(requests)) => requests.clone(),
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_request_for_review_is_one_request_for_each_service() {
    let read = read(FILE);
    assert_eq!(read.len(), 2);
    let first = requests(&read[0]);
    let told: Vec<_> = first
        .iter()
        .map(|r| {
            (
                r.procedure.as_str(),
                r.units,
                r.period.from,
                r.period.until,
                r.provider_npi.as_str(),
                r.urgent,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "X-1001",
                2,
                date("2026-07-06"),
                date("2026-07-06"),
                PERFORMER,
                true
            ),
            (
                "X-1002",
                3,
                date("2026-07-01"),
                date("2026-07-31"),
                "1234567893",
                true
            ),
        ],
        "what a service does not say, its event does"
    );
    assert!(first.iter().all(|r| r.coverage == MEMBER));
    let second = requests(&read[1]);
    assert_ne!(second[0].coverage, MEMBER, "the dependent's own");
    assert_eq!(
        (second[0].units, second[0].provider_npi.as_str(), second[0].urgent),
        (1, "1234567893", false)
    );
    // The same file is the same requests, and no two are one.
    assert_eq!(self::read(FILE), read);
    let ids: std::collections::BTreeSet<_> = first.iter().chain(&second).map(|r| r.id).collect();
    assert_eq!(ids.len(), 3);
    let said: Vec<&str> = read[0].ignored.iter().map(|p| p.at.as_str()).collect();
    assert_eq!(
        said,
        ["segment 16 (HI), loop 2000E", "segment 20 (SV1), loop 2000F"],
        "diagnosis and modifier"
    );
}

#[test]
fn a_wrong_request_is_refused_and_the_other_is_read() {
    for (right, wrong, at) in [
        (
            "UM*HS*I*2*11",
            "UM*HS*3*2*11",
            "segment 14 (UM, loop 2000E), element 02",
        ),
        ("TRN*1*R-1", "TRN*1*", "segment 13 (TRN, loop 2000E), element 02"),
        ("TRN*1*R-1", "TRN*2*R-1", "segment 12 (HL), TRN"),
        ("*UN*2~", "*UN*2.5~", "segment 20 (SV1, loop 2000F), element 04"),
        ("*UN*2~", "*UN*0~", "segment 20 (SV1, loop 2000F), element 04"),
        ("*UN*2~", "*MJ*2~", "segment 20 (SV1, loop 2000F), element 03"),
        (
            "HC:X-1002",
            "ZZ:X-1002",
            "segment 23 (SV2, loop 2000F), element 02",
        ),
        ("SV2**HC:X-1002**DA*3~", "MSG*HELLO~", "segment 21 (HL)"),
        (
            "472*D8*20260706",
            "472*D8*20260731-1",
            "segment 19 (DTP, loop 2000F), element 03",
        ),
        (
            "XX*1000000004",
            "XX*1000000005",
            "segment 17 (NM1, loop 2000E), element 09",
        ),
        (
            "HI*ABK:C435",
            "HSD*VS*6",
            "segment 16 (HSD, loop 2000E), element 00",
        ),
        (
            "HI*ABK:C435",
            "ZZ*ABK:C435",
            "segment 16 (ZZ, loop 2000E), element 00",
        ),
    ] {
        assert!(FILE.contains(right), "{right}");
        let read = read(&FILE.replacen(right, wrong, 1));
        let problems = read[0].outcome.as_ref().expect_err(wrong);
        assert!(problems.iter().any(|p| p.at == at), "{wrong}: {problems:#?}");
        assert!(read[1].outcome.is_ok(), "{wrong}: {read:#?}");
    }
    for (right, wrong, at) in [
        (
            "PI*PAYER1",
            "PI*PAYER2",
            "segment 6 (NM1, loop 2000A), element 09",
        ),
        (
            "XX*1234567893~\nHL*3",
            "XX*1234567890~\nHL*3",
            "segment 8 (NM1, loop 2000B), element 09",
        ),
        ("MI*M-0001", "MI*", "segment 10 (NM1, loop 2000C), element 09"),
        ("MI*M-0001", "MI*M-9999", "segment 12 (HL), loop 2010C"),
    ] {
        assert!(FILE.contains(right), "{right}");
        let read = read(&FILE.replacen(right, wrong, 1));
        let problems = read[0].outcome.as_ref().expect_err(wrong);
        assert!(problems.iter().any(|p| p.at == at), "{wrong}: {problems:#?}");
        assert!(read[1].outcome.is_err(), "both");
    }
}

#[test]
fn nothing_is_asked_for_a_member_who_stands_under_another_requester_or_payer() {
    let dependent = "HL*7*3*23*1~\nNM1*QC*1*DOE*TOM~\nDMG*D8*20150304*M~\n";
    assert!(FILE.contains(dependent));
    for (other, lacks) in [
        (
            "HL*7*1*21*1~\nNM1*1P*2*OTHER*****XX*1000000004~\nPER*IC*OTHER~\n",
            &["loop 2010C"][..],
        ),
        (
            "HL*7**20*1~\nNM1*X3*2*PAYER*****PI*PAYER1~\nPER*IC*OTHER~\n",
            &["loop 2010C", "loop 2010B"],
        ),
        // Also of a dependent, whose subscriber stands under the requester before.
        (
            "HL*7*1*21*1~\nNM1*1P*2*OTHER*****XX*1000000004~\nHL*0*0*23*1~\n",
            &["loop 2010C"],
        ),
    ] {
        let read = read(&FILE.replace(dependent, other));
        assert!(read[0].outcome.is_ok(), "{other}: {read:#?}");
        let problems = read[1].outcome.as_ref().expect_err(other);
        let at: Vec<&str> = problems.iter().map(|problem| problem.at.as_str()).collect();
        let wanted: Vec<String> = lacks
            .iter()
            .map(|inside| format!("segment 28 (HL), {inside}"))
            .collect();
        assert_eq!(at, wanted, "{other}");
    }
}

#[test]
fn what_is_no_request_is_refused_as_a_file() {
    for (right, wrong) in [
        ("BHT*0007*13", "BHT*0007*11"),
        ("GE*1*11", "GE*1*12"),
        ("HL*4*3*EV*1~", "HL*4*3*20*1~"),
    ] {
        let file = FILE.replacen(right, wrong, 1).replace("HL*8*7*EV", "HL*8*7*20");
        assert!(
            authorisations_from_x12(file.as_bytes(), &directory()).is_err(),
            "{wrong}"
        );
    }
    assert!(claims_from_x12(FILE.as_bytes(), &directory()).is_err());
    assert!(
        received_from_x12(FILE.as_bytes(), &directory())
            .unwrap()
            .asks_for_reviews()
    );
    let secret = FILE.replace("DOE", "SECRET").replace("M-0001", "SECRET");
    assert!(!format!("{:?}", read(&secret)).contains("SECRET"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_change_of_a_request_is_read_or_refused(file in changed(FILE)) {
        if let Ok(read) = authorisations_from_x12(&file, &directory()) {
            for read in read {
                match read.outcome {
                    Ok(Submission::Authorisations(requests)) => prop_assert!(!requests.is_empty()),
                    Ok(other) => panic!("{other:?}"),
                    Err(problems) => prop_assert!(!problems.is_empty()),
                }
            }
        }
    }
}
