#!/bin/sh
# What flows need on a Prefect server: the work pool, the concurrency limit of the trainings, the deployments. Again
# changes nothing but the limit. GPU_SLOTS: how many GPUs trainings may use at once (1; where there is none: trainings).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
slots=${GPU_SLOTS:-1}
prefect work-pool inspect memory-r1 >/dev/null 2>&1 || prefect --no-prompt work-pool create memory-r1 --type process
prefect gcl inspect gpu >/dev/null 2>&1 || prefect gcl create gpu --limit "$slots"
prefect gcl update gpu --limit "$slots"
exec prefect --no-prompt deploy --all --prefect-file "$here/prefect.yaml"
