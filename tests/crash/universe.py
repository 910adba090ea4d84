"""All the artifacts that a model test ever pushes: few, and made of the same few layers, so that they share and come back.

Images, indexes of images (one of them of an index), what refers to those by `subject` and to that in turn, and a
signature under cosign's tag. The same on every machine.
"""

from support import oci

REPOSITORIES = ("shop/web", "shop/side")  # tags are write-once in the first, mutable in the second


class Universe:
    def __init__(self):
        layers = [{f"file-{i}": f"layer {i}\n" * (1 + 40 * i)} for i in range(7)]
        images = [oci.make_image([layers[i % 7], layers[(i * 3 + 1) % 7]], cmd=[f"/run-{i}"]) for i in range(9)]
        indexes = [oci.make_index(images[0:2]), oci.make_index(images[1:4])]
        indexes.append(oci.make_index([images[4], indexes[0]]))
        subjects = [images[5], images[0], indexes[1]]
        referrers = [oci.make_artifact([{"sbom": str(i)}], subject=one) for i, one in enumerate(subjects)]
        referrers.append(oci.make_artifact([{"attestation": "of the first"}], subject=referrers[0]))
        self.signature = oci.make_artifact([{"signature": "by tag"}])
        self.signed = images[6]
        self.images, self.indexes, self.referrers = images, indexes, referrers
        self.all = images + indexes + referrers + [self.signature]
        self.by_digest = {one.digest: one for one in self.all}
        self.subjects = {one.digest: one.json["subject"]["digest"] for one in referrers}
        self.bytes = {one.digest: one.manifest for one in self.all}
        for one in self.all:
            self.bytes.update(one.blobs)

    def signature_tag(self):
        return self.signed.digest.replace(":", "-") + ".sig"

    def children(self, digest):
        return [child.digest for child in self.by_digest[digest].children]

    def manifests(self, digest):
        """It and all below it."""
        return {one.digest for one in self.by_digest[digest].manifests()}

    def own_blobs(self, digest):
        """What the manifest itself names as configuration and layers."""
        one = self.by_digest[digest]
        return [] if one.children else sorted(one.blobs)

    def parts(self, digest):
        """Every digest that it consists of."""
        return self.manifests(digest) | set(self.by_digest[digest].blobs)
