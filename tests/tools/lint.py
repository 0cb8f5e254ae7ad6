"""What stac-check says of each address given: a line of JSON. Its own command prints for people only."""

import json
import sys

from stac_check.lint import Linter

for address in sys.argv[1:]:
    linter = Linter(address, assets=True, links=True)
    said = {
        "address": address,
        "valid": linter.valid_stac,
        "error": linter.error_msg,
        "advice": [line.strip() for line in linter.best_practices_msg[1:] if line.strip()],
        "malformed": linter.invalid_asset_format + linter.invalid_link_format,
        "unanswered": linter.invalid_asset_request + linter.invalid_link_request,
    }
    print(json.dumps(said))
