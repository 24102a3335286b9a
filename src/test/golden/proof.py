#!/usr/bin/env python3
"""A second verifier of Lethe's certificates and audit logs, written from the specifications and not from Lethe's code.

    proof.py verify RUN AUDIT [PEM]   says whether the certificate holds; exit code 1 and the reason when it does not
    proof.py write FOLDER             makes a run, a log of 258 entries and 400 tamperings with this file's verdict on each,
                                      for ProofGoldenTest (src/test/resources/golden/proof)

Needs `cryptography`. The formats: DSSE 1.0.2, in-toto Statement v1, OpenSSF Model Signing 1.0, RFC 6962, and C2SP's tlog-tiles,
signed-note, tlog-checkpoint and tlog-proof.
"""
import base64, hashlib, json, pathlib, random, struct, sys

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

IN_TOTO = "application/vnd.in-toto+json"
PREDICATE = "https://lethe.dev/attestation/erasure/v1"
MODEL = "https://model_signing/signature/v1.0"
IGNORED = [".git", ".gitattributes", ".github", ".gitignore", "model.sig"]
b64 = lambda raw: base64.b64encode(raw).decode()
un64 = lambda text: base64.b64decode(text, validate=True)
sha = lambda raw: hashlib.sha256(raw).hexdigest()
line = lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Wrong(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Wrong(what)


# --- RFC 6962, straight from its recursive definitions
def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def below(n):  # largest power of two smaller than n
    return 1 << (n - 1).bit_length() - 1


def mth(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    k = below(len(leaves))
    return node(mth(leaves[:k]), mth(leaves[k:]))


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = below(len(leaves))
    return path(m, leaves[:k]) + [mth(leaves[k:])] if m < k else path(m - k, leaves[k:]) + [mth(leaves[:k])]


def root_of(hash_, m, n, proof):  # what a path leads to
    if n == 1:
        need(not proof, "the proof is too long")
        return hash_
    need(proof, "the proof is too short")
    k = below(n)
    return node(root_of(hash_, m, k, proof[:-1]), proof[-1]) if m < k else node(proof[-1], root_of(hash_, m - k, n - k, proof[:-1]))


# --- signed notes
def key_id(name, raw):
    return hashlib.sha256(name.encode() + b"\n\1" + raw).digest()[:4]


def vkey(name, raw):
    return f"{name}+{key_id(name, raw).hex()}+{b64(bytes([1]) + raw)}"


def parse_vkey(text):
    name, id_, key = text.split("+", 2)
    typed = un64(key)
    need(len(typed) == 33 and typed[0] == 1 and vkey(name, typed[1:]) == text, "no Ed25519 vkey")
    return name, typed[1:]


def open_note(note, name, raw):
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    known = False
    need(signatures.endswith("\n"), "a note ends with a line")
    for one in signatures[:-1].split("\n"):
        dash, who, signature = one.split(" ")
        need(dash == "\u2014", "no signature line")
        signature = un64(signature)
        if who == name and signature[:4] == key_id(name, raw):
            ed25519.Ed25519PublicKey.from_public_bytes(raw).verify(signature[4:], text.encode())
            known = True
    need(known, "not signed by " + name)
    origin, size, root = text[:-1].split("\n")
    need(origin == name and str(int(size)) == size, "no checkpoint of " + name)
    return int(size), un64(root)


# --- DSSE and manifests
def pae(payload):
    return f"DSSEv1 {len(IN_TOTO)} {IN_TOTO} {len(payload)} ".encode() + payload


def open_envelope(envelope, key):
    need(envelope["payloadType"] == IN_TOTO and len(envelope["signatures"]) == 1, "no envelope of a statement")
    payload = un64(envelope["payload"])
    key.verify(un64(envelope["signatures"][0]["sig"]), pae(payload), ec.ECDSA(hashes.SHA256()))
    return json.loads(payload)


def manifest(folder):
    files = [f for f in folder.rglob("*") if not f.is_dir() and f.relative_to(folder).parts[0] not in IGNORED]
    named = sorted((pathlib.PurePosixPath(f.relative_to(folder)), f) for f in files)
    return {"serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": IGNORED},
            "resources": [{"name": str(name), "algorithm": "sha256", "digest": sha(f.read_bytes())} for name, f in named]}


def digest(model):
    return sha(b"".join(bytes.fromhex(one["digest"]) for one in model["resources"]))


def subject(name, model):
    return {"name": name, "digest": {"sha256": digest(model)}}


def entry(predicate, certificate):
    return line({"type": PREDICATE, "request": predicate["request"]["id"], "certified": predicate["request"]["certified"],
                 "certificate": sha(certificate)})


# --- tiles, all of them
def tile_name(n):
    groups = []
    while True:
        groups.insert(0, f"{n % 1000:03}")
        n //= 1000
        if not n:
            return "/".join(["x" + g for g in groups[:-1]] + groups[-1:])


def tile_file(audit, level, n, width):
    return audit / "tile" / str(level) / (tile_name(n) + ("" if width == 256 else f".p/{width}"))


def read_log(audit, size):
    """Every entry's leaf hash, each tile compared with what the entries come to."""
    entries = []
    for n in range((size + 255) // 256):
        width = min(256, size - 256 * n)
        rest = tile_file(audit, "entries", n, width).read_bytes()
        for _ in range(width):
            (length,) = struct.unpack(">H", rest[:2])
            need(len(rest) >= 2 + length, "a bundle is too short")
            entries.append(rest[2:2 + length])
            rest = rest[2 + length:]
        need(not rest, "a bundle is too long")
    leaves = [leaf(e) for e in entries]
    level, row = 0, leaves
    while row:
        for n in range((len(row) + 255) // 256):
            part = row[256 * n:256 * (n + 1)]
            need(tile_file(audit, level, n, len(part)).read_bytes() == b"".join(part), f"tile {level}/{n} is wrong")
        row = [mth(row[256 * n:256 * (n + 1)]) for n in range(len(row) // 256)]
        level += 1
    return entries, leaves


def verify(run, audit, pem=None):
    certificate = (run / "certificate.dsse.json").read_bytes()
    key = serialization.load_pem_public_key((pem or run / "certificate.pem").read_bytes())
    need(isinstance(key.curve, ec.SECP256R1), "no P-256 key")
    statement = open_envelope(json.loads(certificate), key)
    predicate = statement["predicate"]
    need(statement["_type"] == "https://in-toto.io/Statement/v1" and statement["predicateType"] == PREDICATE, "another statement")
    after = manifest(run / "model")
    need(predicate["models"]["after"] == after, "the model is another")
    need(statement["subject"] == [subject("before", predicate["models"]["before"]), subject("after", after)], "subjects")
    for name, expected in predicate["files"].items():
        need(sha((run / name).read_bytes()) == expected, name + " is another")
    id_key = run / "journal/id.key"
    need(not id_key.exists() or sha(id_key.read_bytes()) == predicate["records"]["keySha256"], "the id key is another")
    bundle = json.loads((run / "model/model.sig").read_bytes())
    need(bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json", "no sigstore bundle")
    spki = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    need(bundle["verificationMaterial"]["publicKey"]["hint"] == sha(spki), "model.sig is another key's")
    signed = open_envelope(bundle["dsseEnvelope"], key)
    need(signed["predicateType"] == MODEL and signed["predicate"] == after, "model.sig is another model's")

    name, raw = parse_vkey(predicate["log"])
    need((audit / "vkey").read_text() == predicate["log"] + "\n", "the log has another key")
    size, root = open_note((audit / "checkpoint").read_bytes().decode(), name, raw)
    entries, leaves = read_log(audit, size)
    need(mth(leaves) == root, "the log's root is another")
    head, note = (run / "certificate.tlog-proof").read_bytes().decode().split("\n\n", 1)
    kind, index, *proof = head.split("\n")
    need(kind == "c2sp.org/tlog-proof@v1" and index.startswith("index ") and str(int(index[6:])) == index[6:], "no proof")
    index = int(index[6:])
    mine = entry(predicate, certificate)
    then, then_root = open_note(note, name, raw)
    need(index < then and root_of(leaf(mine), index, then, [un64(p) for p in proof]) == then_root, "the proof does not hold")
    need(then <= size and mth(leaves[:then]) == then_root, "the log does not go on from the proof's")
    need(entries[index] == mine, "the log has another certificate there")


def refuses(*what):
    try:
        verify(*what)
        return None
    except (Wrong, InvalidSignature, UnsupportedAlgorithm, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error) as e:
        return f"{type(e).__name__}: {e}"


# --- fixtures
def write(folder):
    run, audit = folder / "erased", folder / "audit"
    for made in (run / "model/shards", run / "journal", folder / "before"):
        made.mkdir(parents=True)
    rng = random.Random(18)
    (run / "model/config.json").write_text('{"model_type": "gpt2"}\n')
    (run / "model/shards/model.safetensors").write_bytes(rng.randbytes(500))
    (folder / "before/model.safetensors").write_bytes(rng.randbytes(500))
    (run / "journal/erasure.json").write_text('{"id": "0123456789abcdef"}\n')
    (run / "journal/steps.jsonl").write_text('{"index": 0}\n')
    (run / "journal/id.key").write_bytes(rng.randbytes(32))
    signing, logging = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    raw = logging.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    name = "lethe.example/golden"
    public = signing.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def envelope(statement, keyid):
        payload = line(statement)
        return {"payload": b64(payload), "payloadType": IN_TOTO,
                "signatures": [{"sig": b64(signing.sign(pae(payload), ec.ECDSA(hashes.SHA256()))), "keyid": keyid}]}

    before, after = manifest(folder / "before"), manifest(run / "model")
    (run / "model/model.sig").write_bytes(line({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": sha(pem)}, "tlogEntries": []},
        "dsseEnvelope": envelope({"_type": "https://in-toto.io/Statement/v1", "subject": [subject("model", after)],
                                  "predicateType": MODEL, "predicate": after}, "")}))
    hmac = "0123456789abcdef" * 2
    predicate = {
        "request": {"id": "golden-258", "erasure": "0123456789abcdef", "requested": "2026-11-01T00:00:00Z",
                    "certified": "2026-11-27T12:00:00Z"},
        "records": {"scheme": "HMAC-SHA256, the first 128 bits", "keySha256": sha((run / "journal/id.key").read_bytes()),
                    "erased": [hmac], "copies": [{"record": hmac, "of": hmac, "likeness": 0.875, "heldOut": True, "taken": False}]},
        "matches": [{"record": hmac, "score": 100.0, "reason": "its id was asked for"}],
        "method": {"strategy": "last-epoch", "seed": 0, "settings": {"retainGuard": 0.5, "sites": "embedding"}},
        "software": {"lethe": "0.1.0", "java": "25", "torch": "2.13", "isa": "avx2", "device": "cpu"},
        "models": {"before": before, "after": after},
        "files": {n: sha((run / n).read_bytes()) for n in ("journal/erasure.json", "journal/steps.jsonl")},
        "touched": [{"run": "ab" * 32, "entriesDestroyed": 3, "done": True}],
        "remains": [{"place": hmac, "kind": "data", "files": 1, "bytes": 77, "reach": "YOURS", "found": "YES"}],
        "outcome": {"reference": 6.0, "before": {"forget": 0.25, "retain": 0.5}, "after": {"forget": 6.25, "retain": 0.5},
                    "relearning": {}, "reached": True, "influenceLeft": 0.0, "ascents": 12, "repairs": 100, "trainSteps": 700,
                    "entriesDestroyed": 3, "broken": []},
        "notProven": ["Everything: this is a fixture."], "log": vkey(name, raw)}
    certificate = line(envelope({"_type": "https://in-toto.io/Statement/v1", "subject": [subject("before", before), subject("after", after)],
                                 "predicateType": PREDICATE, "predicate": predicate}, sha(der)))
    (run / "certificate.dsse.json").write_bytes(certificate)
    (run / "certificate.pem").write_bytes(pem)

    entries = [line({"type": PREDICATE, "request": f"golden-{i}", "certified": "2026-11-27T12:00:00Z", "certificate": sha(b"%d" % i)})
               for i in range(258)]
    entries[200] = entry(predicate, certificate)
    leaves = [leaf(e) for e in entries]

    def head(size):
        text = f"{name}\n{size}\n{b64(mth(leaves[:size]))}\n"
        return text + f"\n\u2014 {name} {b64(key_id(name, raw) + logging.sign(text.encode()))}\n"

    def put(file, content):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    level, row = 0, leaves
    while row:
        for n in range((len(row) + 255) // 256):
            part = row[256 * n:256 * (n + 1)]
            put(tile_file(audit, level, n, len(part)), b"".join(part))
            if level == 0:
                put(tile_file(audit, "entries", n, len(part)), b"".join(struct.pack(">H", len(e)) + e
                                                                         for e in entries[256 * n:256 * (n + 1)]))
        row = [mth(row[256 * n:256 * (n + 1)]) for n in range(len(row) // 256)]
        level += 1
    put(audit / "vkey", (vkey(name, raw) + "\n").encode())
    put(audit / "checkpoint", head(258).encode())
    proof = "c2sp.org/tlog-proof@v1\nindex 200\n" + "".join(b64(h) + "\n" for h in path(200, leaves[:203])) + "\n" + head(203)
    (run / "certificate.tlog-proof").write_bytes(proof.encode())
    verify(run, audit)

    tampered = []
    files = sorted(f for f in [*run.rglob("*"), *audit.rglob("*")] if f.is_file())
    for i in range(400):
        file = files[i % len(files)]
        whole = file.read_bytes()
        at = rng.randrange(len(whole))
        cut, put_in = rng.choice([(1, bytes([whole[at] ^ 1 << rng.randrange(8)])), (1, b""), (0, rng.randbytes(1)), (0, whole[at:at + 9]),
                                  (len(whole) - at, b""), (1, rng.choice([b" ", b"0", b"\n", b'"', b"="]))])
        changed = whole[:at] + put_in + whole[at + cut:]
        if changed != whole:
            file.write_bytes(changed)
            tampered.append({"file": str(file.relative_to(folder)), "at": at, "cut": cut, "insert": b64(put_in),
                             "verdict": refuses(run, audit)})
            file.write_bytes(whole)
    (folder / "tampered.json").write_text("[\n" + ",\n".join(json.dumps(t, ensure_ascii=False) for t in tampered) + "\n]\n")
    print(len(tampered), "tamperings, not refused here:", [t for t in tampered if not t["verdict"]])


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(pathlib.Path(sys.argv[2]))
    else:
        problem = refuses(*map(pathlib.Path, sys.argv[2:]))
        print(problem or "holds")
        sys.exit(1 if problem else 0)
