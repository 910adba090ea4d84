"""An issuer of identity tokens (OpenID Connect) on loopback: discovery, keys, and tokens of every kind, good and bad."""

import base64
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

AUDIENCE = "repoint.example"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Key:
    """One that signs: `kind` is RSA, P-256 or Ed25519."""

    def __init__(self, kid, kind="P-256"):
        self.kid, self.kind = kid, kind
        self.private = {"RSA": lambda: rsa.generate_private_key(65537, 2048), "Ed25519": ed25519.Ed25519PrivateKey.generate,
                        "P-256": lambda: ec.generate_private_key(ec.SECP256R1())}[kind]()

    def public_pem(self):
        return self.private.public_key().public_bytes(serialization.Encoding.PEM,
                                                      serialization.PublicFormat.SubjectPublicKeyInfo)

    def jwk(self):
        public = self.private.public_key()
        if self.kind == "RSA":
            numbers = public.public_numbers()
            body = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        elif self.kind == "Ed25519":
            body = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw))}
        else:
            numbers = public.public_numbers()
            body = {"kty": "EC", "crv": "P-256", "x": _number(numbers.x, 32), "y": _number(numbers.y, 32)}
        return {**body, **({"kid": self.kid} if self.kid else {})}

    def sign(self, algorithm, text):
        if algorithm == "none":
            return b""
        if algorithm.startswith("HS"):  # with what everybody knows as its secret
            mac = hmac.HMAC(self.public_pem(), hashes.SHA256())
            mac.update(text)
            return mac.finalize()
        if self.kind == "RSA":
            pad = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if algorithm == "PS256" else padding.PKCS1v15()
            return self.private.sign(text, pad, hashes.SHA256())
        if self.kind == "Ed25519":
            return self.private.sign(text)
        r, s = decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Issuer:
    """`keys` are shown; `count` says how often they were asked for. `gate` cleared: it does not answer until it is set.
    `answer`: bytes instead of the keys; `status` and `moved` (a Location) for both documents."""

    ALGORITHMS = {"RSA": "RS256", "P-256": "ES256", "Ed25519": "EdDSA"}

    def __init__(self, path="", pair=None):
        self.keys, self.count, self.status, self.answer, self.moved = [Key("first")], 0, 200, None, None
        self.said = {}
        self.gate = threading.Event()
        self.gate.set()
        self.path = path
        self._serve(0, pair)
        self.url = f"{'https' if pair else 'http'}://127.0.0.1:{self.port}{path}"

    def _serve(self, port, pair=None):
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                issuer.gate.wait(60)
                data = issuer.document(self.path)
                self.send_response(404 if data is None else 302 if issuer.moved else issuer.status)
                if issuer.moved:
                    self.send_header("Location", issuer.moved)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                try:
                    self.wfile.write(data or b"")
                except OSError:
                    pass  # whoever asked has read enough

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.http.daemon_threads = True
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def document(self, path):
        if path == self.path + "/.well-known/openid-configuration":
            return json.dumps({"issuer": self.url, "jwks_uri": self.url + "/keys", **self.said}).encode()
        if path == self.path + "/keys":
            self.count += 1
            return self.answer if self.answer is not None else json.dumps({"keys": [key.jwk() for key in self.keys]}).encode()
        return None

    def rotate(self, kid, kind="P-256"):
        """Another key takes the place of all."""
        self.keys = [Key(kid, kind)]

    def down(self):
        self.gate.set()
        self.http.shutdown()
        self.http.server_close()

    def up(self):
        self._serve(self.port)

    def token(self, key=None, algorithm=None, header=None, **claims):
        """A good one for `repo:org/shop` but for what is said. None takes a claim away."""
        key = key or self.keys[0]
        algorithm = algorithm or self.ALGORITHMS[key.kind]
        now = int(time.time())
        body = {"iss": self.url, "sub": "repo:org/shop:ref:refs/heads/main", "aud": AUDIENCE, "iat": now, "nbf": now,
                "exp": now + 300, "repository": "org/shop", "ref": "refs/heads/main", **claims}
        head = {"alg": algorithm, "typ": "JWT", "kid": key.kid, **(header or {})}
        head, body = ({name: value for name, value in part.items() if value is not None} for part in (head, body))
        text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(body).encode())
        return text + "." + b64(key.sign(algorithm, text.encode()))
