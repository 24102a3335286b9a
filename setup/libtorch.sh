# Sourced: find_libtorch sets LIBTORCH to the folder with libtorch's include/ and lib/, in this order: LETHE_LIBTORCH,
# the torch of the python3 on PATH, the private one of build/venv. provision_libtorch installs that last one with pip,
# whose own configuration (mirrors, find-links, certificates) is honoured.
TORCH_PINNED=2.13.0

# The version of the torch in folder $1; empty when it is none that can be compiled against.
torch_version() {
  [[ -e $1/lib/libtorch_cpu.so && -d $1/include/ATen ]] || return 0
  local file
  for file in "$1/version.py" "$1/build-version"; do
    [[ ! -r $file ]] || { version_in "$(grep -E '^__version__|^[0-9]' "$file")"; return; }
  done
}

supported() { at_least "$1" 2.11 && ! at_least "$1" 2.14; }

# From / so that a folder called torch where the caller stands is not taken for the package.
python_torch() {
  local code='import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")'
  (cd / && python3 -c "$code" 2>/dev/null) || true
}

has_gpu() {
  [[ -e /dev/nvidia0 || -n $(ls /proc/driver/nvidia/gpus 2>/dev/null) ]] || nvidia-smi -L >/dev/null 2>&1
}

find_libtorch() {
  local version place
  if [[ -n ${LETHE_LIBTORCH-} ]]; then
    LIBTORCH=$(readlink -f -- "$LETHE_LIBTORCH" || true)
    version=$(torch_version "$LIBTORCH")
    [[ -n $version ]] || fail 2 "LETHE_LIBTORCH: no libtorch at '$LETHE_LIBTORCH'; it must hold include/ATen and" \
      "lib/libtorch_cpu.so (site-packages/torch, or an unpacked libtorch archive)"
    supported "$version" ||
      fail 2 "LETHE_LIBTORCH: torch $version at '$LETHE_LIBTORCH' is not supported, 2.11 to 2.13 are"
    return 0
  fi
  place=$(python_torch)
  if [[ -n $place ]]; then
    version=$(torch_version "$place")
    if [[ -n $version ]] && supported "$version"; then
      LIBTORCH=$(readlink -f -- "$place")
      return 0
    fi
    say "python3's torch ${version:-without C++ headers} at $place is skipped: 2.11 to 2.13 are supported"
  fi
  for place in "$build"/venv/lib/python3*/site-packages/torch; do
    [[ $(torch_version "$place") == "$TORCH_PINNED" ]] || continue
    LIBTORCH=$(readlink -f -- "$place")
    return 0
  done
  return 1
}

# Pip with little patience: an index that does not answer must not hold up another that has the wheel.
venv_pip() {
  "$build/venv/bin/python" -m pip --disable-pip-version-check --no-input --timeout 15 --retries 1 "$@"
}

ensure_venv() {
  [[ -x $build/venv/bin/python ]] && venv_pip --version >/dev/null 2>&1 && return 0
  rm -rf "$build/venv"
  command -v python3 >/dev/null && quietly venv python3 -m venv "$build/venv"
}

# torch-cpu.txt and torch-cuda.txt pin the wheel by its SHA-256. It and what it needs come from one index: PyTorch's, or
# the one that pip's configuration names in place of PyPI. The CUDA wheel needs twenty packages of NVIDIA's, each of one
# version that it names itself; these are not pinned a second time here.
provision_libtorch() {
  local kind=cpu index=https://download.pytorch.org/whl/cpu
  ! has_gpu || { kind=cuda index=https://download.pytorch.org/whl/cu130; }
  index=${PIP_INDEX_URL:-$(venv_pip config get global.index-url 2>/dev/null || echo "$index")}
  local pinned=(--no-deps --require-hashes --index-url "$index" -r "$root/setup/torch-$kind.txt")
  if [[ $kind == cuda ]]; then
    say "installing torch $TORCH_PINNED for CUDA into $build/venv (several GB, once)"
    quietly torch venv_pip download "${pinned[@]}" -d "$build/wheels" &&
      quietly torch venv_pip install --index-url "$index" "$build"/wheels/torch-*.whl && rm -r "$build/wheels" || true
  else
    say "installing torch $TORCH_PINNED for the CPU into $build/venv (about 200 MB, once)"
    quietly torch venv_pip install "${pinned[@]}" || true
  fi
  find_libtorch && return 0
  tail -n 15 "$build/log/torch.log" >&2
  fail 2 "torch $TORCH_PINNED could not be installed (above: pip's words). Give LETHE_LIBTORCH=DIR, or let pip reach" \
    "an index with it: pip config set global.index-url URL, or global.find-links DIR. $(python3 --version) must be one" \
    "that setup/torch-*.txt has the wheel for (3.11 to 3.14)"
}
