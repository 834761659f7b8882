"""Runs a command beside a server that speaks S3 (moto's, in memory, on a free port), with what the store's tests need in its environment:

    python scripts/s3.py cargo test -p careledger-vault --features s3 --test s3 -- --ignored versions_are_kept

The server takes any key, so the test of wrong credentials needs another one. Needs the packages of scripts/s3.txt.
"""

import logging
import os
import subprocess
import sys

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "vault"
KEYS = {"AWS_ACCESS_KEY_ID": "careledger", "AWS_SECRET_ACCESS_KEY": "careledger"}


def main(command):
    # A line for each request says nothing here.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        s3 = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )
        s3.create_bucket(Bucket=BUCKET)
        environment = dict(os.environ, CARELEDGER_S3_ENDPOINT=endpoint, CARELEDGER_S3_BUCKET=BUCKET, **KEYS)
        return subprocess.run(command, env=environment).returncode
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
