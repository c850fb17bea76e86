#!/usr/bin/env bash
# Judge and rollout servers of dapo_30b on a machine of eight GPUs, each started again when it ends or ceases to answer.
# 8448 = prompting.max_prompt_tokens + max_completion_tokens. Whoever reaches a port of a rollout server can replace its
# weights: a private network, and the key in MEDIX_ENGINE_KEY, which fit has in its environment too.
set -eu
here=$(dirname "$0")
model=Qwen/Qwen3-VL-30B-A3B-Thinking
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
trap 'exit 143' TERM INT

gpus=0
for port in 8086 8087 8088; do
  CUDA_VISIBLE_DEVICES=$gpus,$((gpus + 1)) bash "$here/serve.sh" $port \
    python -m medix rollout serve --model $model --host 0.0.0.0 --port $port --max-model-len 8448 \
    --extra --tensor-parallel-size 2 &
  gpus=$((gpus + 2))
done
CUDA_VISIBLE_DEVICES=$gpus bash "$here/serve.sh" 8085 \
  python -m medix judge serve --model Qwen/Qwen3-4B-Instruct-2507 --host 0.0.0.0 --port 8085 &
wait
