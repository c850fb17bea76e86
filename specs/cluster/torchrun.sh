#!/usr/bin/env bash
# dapo_30b on two machines of eight GPUs without a scheduler: on a third one servers.sh, and on each of the two
#   torchrun.sh FIRST SERVERS     names of the first training machine and of that of the servers
# A worker that dies is started again on all machines, and goes on from the last checkpoint, up to three times.
set -eu
first=$1 servers=$2
for port in 8085 8086 8087 8088; do
  until curl --silent --fail --output /dev/null "http://$servers:$port/health"; do sleep 10; done
done
# Else a worker that is started again can find the addresses of those before it, and the machines do not meet.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
exec torchrun --nnodes=2 --nproc-per-node=8 --max-restarts=3 \
  --rdzv-backend=c10d --rdzv-endpoint="$first:29500" --rdzv-id=dapo_30b \
  -m medix fit --config dapo_30b \
  --trainer.default_root_dir /shared/medix/runs/dapo_30b \
  --model.engine.init_args.base_url "[http://$servers:8086, http://$servers:8087, http://$servers:8088]" \
  --judge.init_args.base_url "http://$servers:8085/v1"
