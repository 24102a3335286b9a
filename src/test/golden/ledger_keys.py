#!/usr/bin/env python3
"""A second reader and writer of ledgers under keys, made from docs/ledger.md and not from Lethe's code.

    ledger_keys.py read LEDGER KEYS    a line an entry that is not destroyed: key of its record, epoch, SHA-256 of its payload
    ledger_keys.py write FOLDER        makes FOLDER/ledger and FOLDER/keys for LedgerKeysGoldenTest
                                       (src/test/resources/golden/ledger-keys)

Needs `cryptography`.
"""
import hashlib, json, pathlib, struct, sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

LIVE, DESTROYED = 0x4556494CA5C33C5A, 0x454E4F475A3CC3A5
HEADER = struct.Struct("<8sQII16sqqqddiiii12s20s")  # magic state version crc key step length offset rate weight segment epoch
MANIFEST = ('{"format":"lethe-ledger","version":%d,"modelHash":"0123abcd","shape":{"vocabulary":100,"context":16,"channels":8,'
            '"heads":2,"layers":1,"inner":32,"layerNormEpsilon":1.0E-5,"tiedHead":true},"sites":["wte","lm_head"],"headTopK":0,'
            '"dtype":"f32",%s"sealed":false}')

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(raw):
    crc = 0xFFFFFFFF
    for byte in raw:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def padded(raw):
    return raw + bytes(-len(raw) % 64)


def bound(header):  # all but state and checksum
    return header[:8] + header[16:20] + header[24:128]


def name(ledger, key):  # the ledger's key is big-endian in a hash and two little-endian words in a header
    return hashlib.sha256(bytes.fromhex(ledger) + key).digest()[:16]


def words(key):
    return key[7::-1] + key[:7:-1]


def data_keys(folder):
    raw = (folder / "ledger.keys").read_bytes()
    assert raw[:8] == b"LTHEKEY1" and struct.unpack("<I", raw[8:12]) == (1,)
    assert struct.unpack("<I", raw[60:64])[0] == crc32c(raw[:60])
    kek = bytes.fromhex((folder / f"ledger-{raw[32:40].hex()}.kek").read_text())
    assert hashlib.sha256(kek).digest()[:8] == raw[32:40]
    slots = [raw[at:at + 64] for at in range(64, len(raw), 64)]
    return raw[16:32].hex(), {slot[:16]: aes_key_unwrap(kek, slot[16:56]) for slot in slots
                              if struct.unpack("<I", slot[60:])[0] == crc32c(slot[:60])}


def read(ledger, keys):
    told = json.loads((ledger / "manifest.json").read_text())["keys"]
    folder, known = data_keys(keys)
    assert folder == told["id"]
    for segment in sorted(ledger.glob("segment-*.ledger")):
        raw, at = segment.read_bytes(), 64
        while at < len(raw):
            header = raw[at:at + 128]
            magic, state, version, crc, key, _, length, offset, _, _, _, epoch, _, _, nonce, _ = HEADER.unpack(header)
            assert magic == b"LTHEENT1" and offset == at and crc == crc32c(bound(header))
            body = raw[at + 128:at + 128 + len(padded(bytes(length)))]
            marker = raw[at + 128 + len(body):][:64]
            if state == LIVE:
                assert version == 2 and struct.unpack("<I", marker[16:20])[0] == crc32c(body)
                dek = known[name(told["ledger"], words(key))]
                payload = AESGCM(dek).decrypt(nonce, body[:length], bound(header))
                print(words(key).hex(), epoch, hashlib.sha256(payload).hexdigest())
            at += 128 + len(body) + 64


def write(folder):
    ledger, keys = folder / "ledger", folder / "keys"
    ledger.mkdir(parents=True), keys.mkdir()
    kek, folder_id, ledger_id = hashlib.sha256(b"kek").digest(), bytes(range(16)), bytes(range(16, 32))
    kek_id = hashlib.sha256(kek).digest()[:8]
    (keys / f"ledger-{kek_id.hex()}.kek").write_text(kek.hex() + "\n")
    told = json.dumps({"folder": "/elsewhere", "id": folder_id.hex(), "ledger": ledger_id.hex(), "all": True}, separators=(",", ":"))
    identity = crc32c((MANIFEST % (1, "")).encode())
    text = MANIFEST % (2, f'"keys":{told},')
    (ledger / "manifest.json").write_text(text[:-1] + f',"checksum":"{crc32c(text.encode()):x}"}}\n')
    head = struct.pack("<8sIIIIQQQ16s", b"LTHESEG1", 1, 0, identity, 0, 0, 2 ** 64 - 1, 0, bytes(16))
    head = head[:20] + struct.pack("<I", crc32c(head[:20] + head[40:])) + head[24:]
    slots, entries = b"", b""
    for i in range(5):  # record-1 comes in two epochs
        record = hashlib.sha256(f"record-{i % 4}".encode()).digest()[:16]
        dek = hashlib.sha256(b"data key of record-%d" % (i % 4)).digest()
        if i < 4:
            slot = name(ledger_id.hex(), record) + aes_key_wrap(kek, dek) + bytes(4)
            slots += slot + struct.pack("<I", crc32c(slot))
        payload = bytes((i * 7 + at) % 256 for at in range(100 + 37 * i))
        nonce = hashlib.sha256(b"nonce %d" % i).digest()[:12]
        offset = 64 + len(entries)
        fields = [b"LTHEENT1", LIVE, 2, 0, words(record), i, len(payload) + 16, offset, 0.5, 0.25, 0, i // 4, 10, 5, nonce, bytes(20)]
        fields[3] = crc32c(bound(HEADER.pack(*fields)))
        header = HEADER.pack(*fields)
        body = padded(AESGCM(dek).encrypt(nonce, payload, bound(header)))
        end = struct.pack("<QII36s", offset, crc32c(body), fields[3], bytes(36))
        entries += header + body + b"LTHEEND1" + end + struct.pack("<I", crc32c(end))
    (ledger / "segment-000000.ledger").write_bytes(head + entries)
    head = struct.pack("<8sII", b"LTHEKEY1", 1, 0) + folder_id + kek_id + bytes(20)
    (keys / "ledger.keys").write_bytes(head + struct.pack("<I", crc32c(head)) + slots)


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        read(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    elif sys.argv[1:2] == ["write"]:
        write(pathlib.Path(sys.argv[2]))
    else:
        sys.exit(__doc__)
