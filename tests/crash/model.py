"""What a server must have after what it was asked to do: the model that a random schedule is judged by.

It knows memberships and tags as they were acknowledged, works out by itself what windows, targets and holds need, and
reads only the history of environments from the server. `pending` is what a request asks for until it is answered: after
a crash that much may be either way, and nothing else.
"""

from datetime import datetime

from universe import REPOSITORIES, Universe

ENVIRONMENTS = {"staging": (1, 2 * 86400), "production": (2, 0)}  # window: releases, and seconds
SLACK = 30  # seconds around a limit in which either answer is right

APP = """\
app: shop
components: {web: {repository: shop/web}}
environments:
  - {name: staging, window: {releases: 1, for: 2d}, targets: [{name: web-1, component: web}]}
  - {name: production, window: 2, targets: [{name: web-1, component: web}]}
"""


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Model:
    def __init__(self):
        self.universe = Universe()
        self.manifests = {repository: set() for repository in REPOSITORIES}
        self.tags = {repository: {} for repository in REPOSITORIES}
        self.used_tags = set()   # of the repository with write-once tags
        self.missing = set()     # (repository, blob) taken out by hand while a manifest names it
        self.damaged = set()     # digests whose file was changed and that nobody pushed since
        self.noticed = set()     # those of them that the server hashed since: blobs are not hashed each time they are sent
        self.releases = {}       # version → digest
        self.history = {name: [] for name in ENVIRONMENTS}  # newest first, as the API has it
        self.running = {}        # environment → {digest, release's digest}
        self.lifts = {}          # (environment, version) → the newest revision when somebody began to lift its hold
        self.holds = {}          # id → (digest, until or None)
        self.pending = {}        # ("manifest", repository, digest) or ("tag", …) → the values that may be

    # ---- memberships ----

    def state(self, key):
        kind, repository, name = key
        return name in self.manifests[repository] if kind == "manifest" else self.tags[repository].get(name)

    def may(self, key, value):
        self.pending.setdefault(key, {self.state(key)}).add(value)

    def set(self, key, value):
        kind, repository, name = key
        if kind == "tag":
            self.tags[repository].pop(name, None)
            if value:
                self.tags[repository][name] = value
        elif value:
            self.manifests[repository].add(name)
        else:
            self.manifests[repository].discard(name)
            self.tags[repository] = {tag: to for tag, to in self.tags[repository].items() if to != name}

    def answered(self):
        self.pending.clear()

    def present(self):
        return [(repository, digest) for repository in REPOSITORIES for digest in sorted(self.manifests[repository])]

    def parts_in(self, repository):
        """Of each of its manifests what lies in the repository itself."""
        there = self.manifests[repository]
        return there | {blob for digest in there for blob in self.universe.own_blobs(digest)}

    # ---- what is needed ----

    def attached(self, digests):
        """`digests` with all that they consist of and all that refers to any of it."""
        needed = set()
        queue = [digest for digest in digests if digest in self.universe.by_digest]
        while queue:
            parts = self.universe.parts(queue.pop())
            if parts <= needed:
                continue
            needed |= parts
            queue += [one for one, subject in self.universe.subjects.items() if subject in parts and self.somewhere(one)]
            if self.universe.signed.digest in parts:
                queue += [tags[self.universe.signature_tag()] for tags in self.tags.values()
                          if self.universe.signature_tag() in tags]
        return needed

    def somewhere(self, digest):
        return any(digest in there for there in self.manifests.values())

    def good(self, history):
        """The known good releases besides the current one, newest first, with when each was left."""
        verdicts = {}
        for row in history:
            bad = row["outcome"] == "failed" or row["rolled_back_by"]
            if bad or row["outcome"] == "healthy":
                verdicts.setdefault(row["release"]["version"], not bad)
        found = {}
        for after, row in zip(history, history[1:]):
            version = row["release"]["version"]
            if row["outcome"] == "healthy" and not row["rolled_back_by"] and verdicts[version] \
                    and version != history[0]["release"]["version"]:
                found.setdefault(version, seconds(after["at"]))
        return list(found.items())

    def held_by(self, environment):
        """Version → the rollback that left it, unless that took back the one before."""
        at = {row["number"]: row for row in self.history[environment]}

        def rollback(number):
            return number in at and "rollback" in at[number]["kind"]

        def takes_back(number):
            return rollback(number - 1) and number - 2 in at and not takes_back(number - 1) \
                and at[number - 2]["release"]["number"] == at[number]["release"]["number"]

        return {at[number - 1]["release"]["version"]: number for number in sorted(at)
                if rollback(number) and not takes_back(number)}

    def window(self, environment, now, slack=0):
        """Versions; with `slack`, only those that do not hang on seconds."""
        history = self.history[environment]
        if not history:
            return []
        count, lasting = ENVIRONMENTS[environment]
        good = self.good(history)
        if lasting:
            count = max([count] + [i + 1 for i, (_, left) in enumerate(good) if left >= now - lasting + slack])
        return [history[0]["release"]["version"]] + [version for version, _ in good[:count]]

    def roots(self, now, slack):
        for environment in ENVIRONMENTS:
            for version in self.window(environment, now, slack):
                yield self.releases[version]
            yield from self.running.get(environment, ())
        for digest, until in self.holds.values():
            if until is None or until > now + slack:
                yield digest

    def held(self, now, slack=SLACK):
        """A negative slack: what may still be held. Of what a window reaches and no repository has any more, it cannot
        be told what it needs; who knew it before still does."""
        roots = set(self.roots(now, slack))
        return roots | self.attached(root for root in roots if slack < 0 or self.somewhere(root))

    def held_bytes(self, now):
        """What must lie in its place with the right bytes."""
        return self.attached(root for root in self.roots(now, SLACK) if self.somewhere(root)) - self.damaged

    def is_whole(self, digest, repository):
        """Nothing of it was taken out by a policy or by hand."""
        return self.manifests[repository] >= self.universe.manifests(digest) \
            and not any((repository, blob) in self.missing for blob in self.universe.parts(digest))

    def released(self):
        """What by hand cannot be deleted, beside what is held."""
        return self.attached({digest for digest in self.releases.values() if digest in self.manifests["shop/web"]})

    def reachable(self):
        """Every digest whose bytes must stay for good."""
        needed = set()
        for _, digest in self.present():
            needed |= self.universe.parts(digest)
        return needed
