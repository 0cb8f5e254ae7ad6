"""Make the bucket, and let anyone read its objects: what compose runs once before the services start.

The gateway reads the bucket without credentials, hence the policy: `s3:GetObject` for everyone, and no listing.
Plain S3 (`PutBucketPolicy`), so that it works with any store that knows bucket policies. Safe to run again.
"""

import json

from ingest.store import Store
from stac.settings import Settings


def read_policy(bucket: str) -> str:
    """Return the policy document that lets anyone read the objects of `bucket`, and nothing else."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def main() -> None:
    """Make the bucket of the settings public to read; raises `StoreError` or the client's error if it may not."""
    store = Store.connect(Settings())
    store.make_bucket()
    store.client.set_bucket_policy(store.bucket, read_policy(store.bucket))
    print(f"bucket {store.bucket}: anyone may read its objects")


if __name__ == "__main__":
    main()
