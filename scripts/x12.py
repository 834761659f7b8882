"""What pyx12 finds wrong with X12 files, by its maps of the implementation guides:

    python scripts/x12.py [--acknowledge] FILE...

A line for each file: `valid`, or what it found; with --acknowledge the 999 that it answers, as a JSON string. Ends with 1 where a file is not valid. Needs the packages of scripts/x12.txt.
"""

import io
import json
import logging
import sys

import pyx12.params
import pyx12.x12n_document


def check(path):
    # The process ends with the line: the log would say the same once more.
    logging.getLogger("pyx12").setLevel(logging.CRITICAL)
    acknowledgement, errors = io.StringIO(), io.StringIO()
    try:
        valid = pyx12.x12n_document.x12n_document(pyx12.params.params(), path, acknowledgement, None, fd_json=errors)
    except Exception as problem:  # What it cannot read at all is not valid either.
        return False, json.dumps(str(problem)), ""
    return valid, errors.getvalue(), acknowledgement.getvalue()


def said(valid, errors):
    return "valid" if valid else json.dumps(json.loads(errors)) if errors else "not valid"


def main(paths):
    wrong = 0
    answers = paths[:1] == ["--acknowledge"]
    for path in paths[answers:]:
        valid, errors, acknowledgement = check(path)
        wrong += not valid
        print(said(valid, errors) if not answers else json.dumps(acknowledgement))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
