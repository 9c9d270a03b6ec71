"""Certificates for the tests, made by openssl when they run, so that none can expire in the repository."""
import os
import subprocess


def openssl(*arguments, **more):
    done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False, **more)
    if done.returncode != 0:
        raise AssertionError("openssl %s: %s" % (" ".join(arguments), done.stderr.decode()))
    return done.stdout


class Identity:
    """A key and its certificate, as files; chain is the certificate and those that lead to its root."""

    def __init__(self, directory, name):
        self.name = name
        self.key = os.path.join(directory, name + ".key")
        self.certificate = os.path.join(directory, name + ".pem")

    def der(self):
        return openssl("x509", "-in", self.certificate, "-outform", "DER")


def new_key(identity, kind="EC"):
    options = {"EC": ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"), "RSA": ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
               "RSA1024": ("RSA", "-pkeyopt", "rsa_keygen_bits:1024")}[kind]
    openssl("genpkey", "-algorithm", *options, "-out", identity.key)


def self_signed(directory, name, subject=None, kind="EC", days=2, extensions=()):
    """A certificate that vouches for itself."""
    identity = Identity(directory, name)
    new_key(identity, kind)
    extra = [word for one in extensions for word in ("-addext", one)]
    openssl("req", "-new", "-x509", "-key", identity.key, "-subj", subject or "/O=Tests/CN=" + name, "-days", str(days),
            "-out", identity.certificate, *extra)
    return identity


class Authority:
    """An authority that issues certificates into a directory."""

    def __init__(self, directory, name="authority"):
        self.directory = directory
        self.own = self_signed(directory, name)
        self.certificate = self.own.certificate

    def issue(self, name, subject=None, kind="EC", days=2, names="DNS:localhost,IP:127.0.0.1", usage="serverAuth"):
        identity = Identity(self.directory, name)
        new_key(identity, kind)
        path = os.path.join(self.directory, name)
        with open(path + ".ext", "w", encoding="ascii") as file:
            file.write("".join("%s=%s\n" % row for row in (("subjectAltName", names), ("extendedKeyUsage", usage),
                                                           ("basicConstraints", "CA:FALSE")) if row[1]))
        openssl("req", "-new", "-key", identity.key, "-subj", subject or "/O=Tests/CN=" + name, "-out", path + ".csr")
        openssl("x509", "-req", "-in", path + ".csr", "-CA", self.certificate, "-CAkey", self.own.key, "-days", str(days),
                "-extfile", path + ".ext", "-out", identity.certificate)
        return identity

    def client(self, name, **more):
        return self.issue(name, names="", usage="clientAuth", **more)


def with_nul(authority, identity, text):
    """Puts a NUL in the place of the '~' of the subject's text and signs the certificate anew: what an authority that
    does not look would sign."""
    der = identity.der()

    def element(at):
        size = der[at + 1]
        begin = at + 2
        if size & 0x80:
            begin += size & 0x7F
            size = int.from_bytes(der[at + 2:begin], "big")
        return begin, begin + size

    body, _ = element(0)
    _, tbs_end = element(body)
    _, algorithm_end = element(tbs_end)
    tbs = der[body:tbs_end].replace(text.encode(), text.replace("~", "\0").encode())
    path = os.path.join(authority.directory, identity.name + ".tbs")
    with open(path, "wb") as file:
        file.write(tbs)
    signature = b"\0" + openssl("dgst", "-sha256", "-sign", authority.own.key, path)
    rest = tbs + der[tbs_end:algorithm_end] + b"\x03" + bytes([len(signature)]) + signature
    with open(path, "wb") as file:
        file.write(b"\x30\x82" + len(rest).to_bytes(2, "big") + rest)
    openssl("x509", "-inform", "DER", "-in", path, "-out", identity.certificate)
    return identity
