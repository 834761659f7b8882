//! What codes of acknowledgments ask of the sender, in words of our own: the lists' texts are licensed.

/// Another code than those below.
const OTHER: &str = "a code that is not known here: ask the receiver";

/// TA105.
pub(super) fn interchange(code: &str) -> &'static str {
    match code {
        "000" => "nothing is wrong with its envelope",
        "001" => "the control numbers of ISA and IEA differ",
        "002" | "016" => "its standard (ISA11 or ISA12) is not the receiver's",
        "003" | "017" => "its version (ISA12) is not the receiver's: 00501 is for these guides",
        "004" => "the character that ends segments cannot be used",
        "005" => "the qualifier of the sender's number (ISA05) is wrong",
        "006" => "the sender's number (ISA06) is wrong, or the receiver does not know it",
        "007" => "the qualifier of the receiver's number (ISA07) is wrong",
        "008" | "009" => "the receiver's number (ISA08) is not this receiver's",
        "010" | "011" => "what authorises the sender (ISA01, ISA02) is wrong",
        "012" | "013" => "the password (ISA03, ISA04) is wrong",
        "014" => "its day (ISA09) is wrong",
        "015" => "its time (ISA10) is wrong",
        "018" => "its control number (ISA13) is wrong",
        "019" => "whether an answer is asked for (ISA14) is 0 or 1",
        "020" => "whether it is a test (ISA15) is T or P",
        "021" => "IEA does not count its groups rightly",
        "022" => "its segments are not one within the other as they should be",
        "023" => "it is cut off: send it again whole",
        "024" => "what is in it cannot be read",
        "025" => "its control number (ISA13) came before: give it a new one, unless it was taken then",
        "026" => "the character between elements cannot be used",
        "027" => "the character between components (ISA16) cannot be used",
        _ => OTHER,
    }
}

/// AK905 to AK909.
pub(super) fn group(code: &str) -> &'static str {
    match code {
        "1" => "the receiver does not take groups of this kind (GS01)",
        "2" => "the receiver does not take this guide (GS08)",
        "3" => "the group's end (GE) is missing",
        "4" => "the control numbers of GS and GE differ",
        "5" => "GE does not count its transaction sets rightly",
        "6" => "the group's control number (GS06) is wrong",
        "19" => "the group's control number (GS06) came before: give it a new one, unless it was taken then",
        _ => OTHER,
    }
}

/// IK502 to IK506.
pub(super) fn set(code: &str) -> &'static str {
    match code {
        "1" => "the receiver does not take transaction sets of this kind (ST01)",
        "2" => "the transaction set's end (SE) is missing",
        "3" => "the control numbers of ST and SE differ",
        "4" => "SE does not count its segments rightly",
        "5" | "I5" => "segments of it are wrong",
        "6" => "the kind of transaction set (ST01) is missing or wrong",
        "7" => "its control number (ST02) is missing or wrong",
        "18" => "it does not belong in a group of this kind (GS01)",
        "19" | "I6" => "the receiver does not take this guide (ST03)",
        "23" => "its control number (ST02) is used twice in the group",
        _ => OTHER,
    }
}

/// IK304.
pub(super) fn segment(code: &str) -> &'static str {
    match code {
        "1" => "there is no segment of this name",
        "2" => "it is not expected here",
        "3" | "I6" | "I8" => "a segment that is needed is missing here",
        "4" => "its loop comes too often",
        "5" => "it comes too often",
        "6" => "this kind of transaction set has no such segment",
        "7" => "it is not in its order",
        "8" => "elements of it are wrong",
        "I4" | "I9" => "the guide does not have it here",
        "I7" => "its loop does not come often enough",
        _ => OTHER,
    }
}

/// IK403.
pub(super) fn element(code: &str) -> &'static str {
    match code {
        "1" => "it is missing",
        "2" | "I9" => "it is needed beside what else stands there",
        "3" => "there are too many elements",
        "4" => "it is too short",
        "5" => "it is too long",
        "6" => "it has a character that it may not have",
        "7" => "it is no code of its list",
        "8" => "it is no day",
        "9" => "it is no time",
        "10" | "I13" => "it may not stand beside what else stands there",
        "11" | "12" => "it is repeated too often",
        "13" => "it has too many components",
        "I6" => "it is a code that the guide does not have here",
        "I10" => "the guide does not have it here",
        "I11" => "it is not repeated often enough",
        "I12" => "it has not the form that the guide wants",
        _ => OTHER,
    }
}
