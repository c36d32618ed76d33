#!/usr/bin/env bash
# The supply: known advisories of everything locked, licences of dependencies and of files, bills
# of materials. Ends at what must not be: an advisory that SECURITY.md does not judge, a licence
# that would bind users of this one, a file without a licence. Writes into build/supply/:
#   licences.md     of the packages in .venv    sbom.cdx.json  the packages, CycloneDX
#   files.spdx      of each file of this repository, with its checksum
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x .venv/bin/python ] || { echo "error: no .venv; run bash scripts/test.sh first" >&2; exit 1; }
tools=.venv-audit/bin out=build/supply
if ! cmp -s requirements/audit.txt .venv-audit/installed.txt; then
  .venv/bin/python -m venv .venv-audit
  "$tools/python" -m pip install --quiet --require-hashes -r requirements/audit.txt
  cp requirements/audit.txt .venv-audit/installed.txt
fi
mkdir -p "$out"

# PyPI's database of advisories; a mirror has packages alone. `--ignore-vuln ID` for those judged.
judged=$(sed -n 's/^| `\([A-Z]*-[0-9A-Za-z-]*\)` .*/--ignore-vuln \1/p' SECURITY.md)
database=https://pypi.org/pypi/numpy/2.0.0/json
if .venv/bin/python -c "import urllib.request as r; r.urlopen('$database', timeout=30)" 2>/dev/null; then
  for lock in requirements.txt requirements-addons.txt requirements/*.txt; do
    # shellcheck disable=SC2086
    "$tools/pip-audit" --strict --disable-pip --require-hashes --progress-spinner=off $judged -r "$lock"
  done
else
  echo "advisories: PyPI's database cannot be reached from here, so it was not asked"
fi

# GPL matches AGPL and LGPL too.
"$tools/pip-licenses" --python=.venv/bin/python --partial-match --fail-on="GPL;Commercial;Proprietary" \
  --format=markdown --output-file="$out/licences.md" >/dev/null
"$tools/cyclonedx-py" environment .venv/bin/python --output-reproducible \
  --output-file="$out/sbom.cdx.json"
"$tools/reuse" lint --quiet || "$tools/reuse" lint
"$tools/reuse" spdx --output="$out/files.spdx" 2>/dev/null
echo "written: $out/licences.md, $out/sbom.cdx.json, $out/files.spdx"
