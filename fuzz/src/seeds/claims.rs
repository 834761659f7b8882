//! Claims and answers as billing systems send them.

const CLAIM: &str = r##"{"resourceType":"Claim","contained":[{"resourceType":"Coverage","id":"c","identifier":[{"system":"MI","value":"M-0001"}],"beneficiary":{"reference":"Patient/1"}}],"identifier":[{"system":"s","value":"A-1"}],"status":"active","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/claim-type","code":"professional"}]},"use":"claim","patient":{"reference":"Patient/1"},"created":"2026-06-30","insurer":{"reference":"Organization/2"},"provider":{"identifier":{"system":"http://hl7.org/fhir/sid/us-npi","value":"1234567893"}},"priority":{"coding":[{"code":"normal"}]},"related":[{"claim":{"identifier":{"system":"urn:careledger:claim","value":"08080808080808080808080808080808"}},"relationship":{"coding":[{"code":"prior"}]}}],"careTeam":[{"sequence":1,"provider":{"identifier":{"system":"http://hl7.org/fhir/sid/us-npi","value":"1000000004"}}}],"diagnosis":[{"sequence":1,"diagnosisCodeableConcept":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"C43.5"}]}}],"insurance":[{"sequence":1,"focal":true,"coverage":{"reference":"#c"},"preAuthRef":["07070707070707070707070707070707"]}],"item":[{"sequence":1,"careTeamSequence":[1],"diagnosisSequence":[1],"productOrService":{"coding":[{"code":"X-1001"}]},"modifier":[{"coding":[{"code":"59"}]}],"servicedDate":"2026-06-01","quantity":{"value":2},"unitPrice":{"value":100.25,"currency":"USD"},"factor":0.5,"net":{"value":100.25,"currency":"USD"},"detail":[{"sequence":1,"net":{"value":100.25,"currency":"USD"}}]}],"total":{"value":100.25,"currency":"USD"}}"##;

const REQUEST: &str = r#"{"resourceType":"Bundle","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Claim","id":"1","identifier":[{"system":"s","value":"A-2"}],"status":"active","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/claim-type","code":"oral"}]},"use":"preauthorization","patient":{"reference":"Patient/1"},"insurer":{"reference":"Organization/2"},"provider":{"reference":"Organization/1"},"priority":{"coding":[{"code":"stat"}]},"insurance":[{"focal":true,"coverage":{"reference":"Coverage/1"}}],"item":[{"sequence":1,"productOrService":{"coding":[{"code":"X-1001"}]},"servicedPeriod":{"start":"2026-06-01","end":"2026-06-30"}}]}}]}"#;

const ANSWER: &str = r#"{"resourceType":"ClaimResponse","status":"active","use":"claim","outcome":"complete","item":[{"itemSequence":1,"adjudication":[{"category":{"coding":[{"code":"submitted"}]},"amount":{"value":135.57,"currency":"USD"}},{"category":{"coding":[{"code":"benefit"}]},"amount":{"value":90.47,"currency":"USD"}}]}],"total":[{"category":{"coding":[{"code":"benefit"}]},"amount":{"value":9.047e1,"currency":"USD"}}],"payment":{"amount":{"value":90.47,"currency":"USD"}},"error":[{"code":{"coding":[{"code":"a002"}]}}]}"#;

const COVERAGE: &str = r##"{"resourceType":"Coverage","contained":[{"resourceType":"Patient","id":"p","gender":"male","birthDate":"1986-05-17"}],"identifier":[{"system":"MI","value":"M-0001"}],"status":"active","beneficiary":{"reference":"#p"},"period":{"start":"2026-01-01"},"payor":[{"reference":"Organization/2"}],"class":[{"type":{"coding":[{"code":"plan"}]},"value":"urn:careledger:plan:01010101010101010101010101010101:1"}],"order":2}"##;

const QUESTION: &str = r#"{"resourceType":"CoverageEligibilityRequest","status":"active","purpose":["validation"],"patient":{"reference":"Patient/1"},"servicedDate":"2026-07-01","created":"2026-06-30","insurer":{"reference":"Organization/2"},"insurance":[{"coverage":{"identifier":{"system":"MI","value":"M-0001"}}}]}"#;

const BILL: &str = "\
ISA*00*          *00*          *ZZ*CLINIC         *ZZ*PAYER          *260701*0900*^*00501*000000007*0*T*:~
GS*HC*CLINIC*PAYER*20260701*0900*7*X*005010X222A1~
ST*837*0001*005010X222A1~
BHT*0019*00*7*20260701*0900*CH~
HL*1**20*1~
NM1*85*2*CLINIC*****XX*1234567893~
HL*2*1*22*1~
SBR*S*18*******CI~
NM1*IL*1*DOE*ANN****MI*M-0001~
NM1*PR*2*PAYER*****PI*PAYER1~
CLM*A-17*300***11:B:7*Y*A*Y*Y~
REF*F8*08080808080808080808080808080808~
REF*G1*07070707070707070707070707070707~
HI*ABK:C435*ABF:E11~
NM1*82*1*WHO*DID****XX*1000000004~
SBR*P*18*******CI~
AMT*D*50.5~
LX*1~
SV1*HC:X-1001:59:LT*300*UN*2***1:2~
DTP*472*D8*20260601~
SVD*OTHER*50.5*HC:X-1001**2~
HL*3*2*23*0~
NM1*QC*1*DOE*TOM~
DMG*D8*20150304*M~
CLM*A-18*75.25***11:B:1*Y*A*Y*Y~
HI*ABK:J20~
LX*1~
SV1*HC:X-1003*75.25*UN*1***1~
DTP*472*RD8*20260603-20260603~
SE*28*0001~
GE*1*7~
IEA*1*000000007~
";

const REMITTANCE: &str = include_str!("../../../gateway-sdk/health/tests/samples/remittance.835");

const INSTITUTIONAL: &str = include_str!("../../../gateway-sdk/health/tests/samples/institutional.837");

const DENTAL: &str = include_str!("../../../gateway-sdk/health/tests/samples/dental.837");

const REVIEW: &str = include_str!("../../../gateway-sdk/health/tests/samples/request.278");

const FILE_ACKNOWLEDGMENT: &str =
    include_str!("../../../gateway-sdk/health/tests/samples/acknowledgment.999");

const ACKNOWLEDGMENT: &str = include_str!("../../../gateway-sdk/health/tests/samples/acknowledgment.277");

pub(crate) fn claim_fhir() -> Vec<Vec<u8>> {
    [CLAIM, REQUEST, ANSWER, COVERAGE, QUESTION]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

pub(crate) fn claim_x12() -> Vec<Vec<u8>> {
    let several = [BILL, INSTITUTIONAL, REVIEW].concat();
    let all = [
        BILL,
        REMITTANCE,
        INSTITUTIONAL,
        DENTAL,
        REVIEW,
        ACKNOWLEDGMENT,
        FILE_ACKNOWLEDGMENT,
        &several,
    ];
    all.map(|text| text.as_bytes().to_vec()).to_vec()
}
