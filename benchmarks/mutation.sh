#!/usr/bin/env bash
# How many small changes to a module its own tests notice (docs/mutation.md):
#
#     bash benchmarks/mutation.sh losses
#     bash benchmarks/mutation.sh evaluation/metrics
#     bash benchmarks/mutation.sh training 'not overfits and not two_replicas'
#
# The second argument is pytest's -k. mutmut mutates a copy of the tree; a process that has
# TensorFlow and the tests imported forks a child for each mutant, one at a time.
set -euo pipefail
cd "$(dirname "$0")/.."

module=$1 selected=${2:-test}
folder=$(dirname "$module") name=$(basename "$module")
environment=$PWD/.venv-mutation
copy=$(mktemp -d)

# mutmut's own environment sees the project's packages, but not the project.
if [ ! -d "$environment" ]; then
    .venv/bin/python -m venv "$environment"
    "$environment/bin/pip" install -q mutmut==3.8.1
    packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$packages" > "$(echo "$environment"/lib/python*/site-packages)/project.pth"
fi

cp -r dcmls_tf tests pyproject.toml configs "$copy"
cd "$copy"
cat > setup.cfg <<CONFIG
[mutmut]
source_paths = dcmls_tf
only_mutate = dcmls_tf/$module.py
pytest_add_cli_args_test_selection = tests/$folder/test_$name.py
pytest_add_cli_args =
    -n0
    -Wignore
    -k$selected
process_isolation = forkserver
timeout_multiplier = 5
timeout_constant = 3
CONFIG
export TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1
"$environment/bin/mutmut" run --max-children 1
"$environment/bin/mutmut" export-cicd-stats
cat mutants/mutmut-cicd-stats.json
for mutant in $("$environment/bin/mutmut" results | cut -d: -f1); do
    "$environment/bin/mutmut" show "$mutant"
done
