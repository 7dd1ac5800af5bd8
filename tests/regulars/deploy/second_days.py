"""Second days: random acts of `regulars deploy` on two stages of one account, each by a role of its
own. After each act, what was asked is so, or was refused with a way out that leads there.

`python -m tests.regulars.deploy.second_days --sequences 10000`; `--seed 17 --sequences 1` for one.
"""

import argparse
import io
import random
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from regulars.deploy import deploy
from regulars.deploy.deploy import Plan
from regulars.deploy.policy import make_role_policy
from regulars.deploy.preflight import Wanted, check_account, read_defaults
from regulars.deploy.stack import Account
from regulars.errors import NotDeployed
from regulars.findings import Finding, Level
from tests.regulars.deploy.calls import ACCOUNT, REGION
from tests.regulars.deploy.model import PACKAGES, CutOff, Faults, Made, Role, Session, World
from tests.regulars.deploy.resolve import make_whole

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/functions"
_BOUNDARIES = {"regulars-dev": "", "regulars-prod": BOUNDARY}
"""By stage, the boundary that its role has to give."""

STAGES = [*_BOUNDARIES]
_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:"
_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0b7c"
_DOMAINS = "faces.shop.example", "faces.mall.example"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "stage.md"

_VALUES = {
    "APIHandlerConcurrency": ("-1", "0", "300", "700"),
    "AccessLog": ("on", "off"),
    "AlarmTopic": ("", f"{_TOPIC}shop", f"{_TOPIC}other"),
    "CanaryTenant": ("", "canary"),
    "CaptureDays": ("7", "30"),
    "CustomerKey": ("", _KEY),
    "DomainName": ("", *_DOMAINS),
    "FunctionUrl": ("on", "off"),
    "LogDays": ("7", "30"),
    "PictureBuckets": ("", "pictures/a,pictures/b", "gone"),
    "RoleBoundary": ("", BOUNDARY, f"{BOUNDARY}2"),
    "SearchConcurrency": ("-1", "10", "60", "110"),
    "WatchConcurrency": ("-1", "0", "20"),
    "Witness": ("", "witness/heads", "lost"),
}
_ADMINISTRATOR = Role("admin", {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})

Check = Callable[[Account, Wanted], Iterable[Finding]]


class Broken(AssertionError):
    """What was asked is not so, and nobody said a way out."""


class Rig(NamedTuple):
    """What the sequences try: faulty ones have to be found."""

    whole: Mapping[str, Any]
    roles: Mapping[str, Role]
    check: Check
    archives: list[Path]


def make_rig(
    folder: Path,
    whole: Mapping[str, Any] | None = None,
    make_policy: Callable[[str, str], dict[str, Any]] = make_role_policy,
    check: Check = check_account,
) -> Rig:
    archives = [folder / f"{number}.zip" for number in range(6)]
    for archive in archives:
        archive.write_bytes(archive.name.encode())
    dev, prod = STAGES
    roles = {
        dev: Role("dev", make_policy(dev, "")),
        prod: Role("prod", make_policy(prod, BOUNDARY)),
    }
    return Rig(whole or make_whole(), roles, check, archives)


class Days:
    """A sequence of acts, drawn by its seed."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self._rig, self._draw, self.world = rig, random.Random(seed), World()
        self._rules = rig.whole["Parameters"]
        self.asked: dict[str, dict[str, str]] = {}
        """By stage, the parameters that it has to have; a stage that is not there has none."""

        self.acts: list[str] = []
        self.world.buckets |= {"witness", "pictures"}
        self.world.policies.add(BOUNDARY)
        self.world.topics.add(f"{_TOPIC}shop")
        self.world.certificates.add(_DOMAINS[0])
        self.world.canary_s = self._draw.choice(([], [3.0] * 20))

    def run(self, count: int) -> None:
        """Do so many acts. Raises Broken."""
        for stack in STAGES:
            self._draw.choice((self._deploy, self._fail, self._cut))(stack)
        acts = (
            *[self._deploy] * 6,
            *[self._fail] * 4,
            *[self._cut] * 4,
            self._decline,
            self._take,
            self._move,
            self._delete,
            self._poison,
            self._reach,
        )
        for _ in range(count):
            self._draw.choice(acts)(self._draw.choice(STAGES))

    # --- acts

    def _deploy(self, stack: str) -> None:
        self.deploy(stack, self._draw_parameters())

    def _fail(self, stack: str) -> None:
        faults = self.world.faults = Faults(
            at=self._draw.choice([*self._rig.whole["Resources"]]),
            sticks=self._draw.random() < 0.5,
            alarm=self._draw.random() < 0.2,
            invalid=self._draw.random() < 0.1,
            slow=self._draw.random() < 0.2,
        )
        self.acts.append(f"{stack}: {faults}")
        self.deploy(stack, self._draw_parameters())
        self.world.faults = Faults()

    def _cut(self, stack: str) -> None:
        calls = 45 if stack in self.asked else 105
        self.deploy(stack, self._draw_parameters(), cut_at=self._draw.randint(1, calls))

    def _decline(self, stack: str) -> None:
        """Answer no to the change set."""
        before = self.world.look(stack)
        plan = self._make_plan(stack, self._draw_parameters(), 0)
        with suppress(NotDeployed):
            self._call(plan, Session(self.world, self._rig.roles[stack]), lambda: False)
            after = self.world.look(stack)
            if any(after[part] != before[part] for part in ("resources", "stack")):
                raise Broken(f"what nobody agreed to changed {stack}")

    def _take(self, stack: str) -> None:
        """Ask for the domain that the other stage has."""
        if domain := self.asked.get(self._get_other(stack), {}).get("DomainName"):
            self.deploy(stack, {"DomainName": domain})
            if domain in self.asked[self._get_other(stack)].values():
                raise Broken(f"two stages have {domain}")

    def _move(self, stack: str) -> None:
        """Move the stage's domain to the other, as docs/stage.md says."""
        other = self._get_other(stack)
        domain = self.asked.get(stack, {}).get("DomainName")
        if domain and other in self.asked:
            [way] = re.findall(r"\*\*Move a domain\*\*[^`]*`(--parameter .*?)`", PAGE.read_text())
            self.deploy(stack, _parse_parameters(way))
            self.deploy(other, {"DomainName": domain})

    def _delete(self, stack: str) -> None:
        """Delete the stage as docs/stage.md says, perhaps what it leaves, and deploy it again."""
        end, tear_down = _read_page(*_DELETING)[:2], _read_page(*_DELETING)[2:]
        for line in end:
            self._order(_ADMINISTRATOR, line.replace("regulars-prod", stack))
        self.world.faults = Faults(sticks=self._draw.random() < 0.3)
        self.world.settle(stack)
        self.world.faults = Faults()
        self.asked.pop(stack)
        if self._draw.random() < 0.5:
            self._tear_down(stack, tear_down)
        self._draw.choice((self._deploy, self._fail, self._cut))(stack)

    def _tear_down(self, stack: str, lines: Iterable[str]) -> None:
        """Carry out the commands that end what a deleted stage goes on costing."""
        for line in lines:
            command = line.replace("regulars-prod", stack).replace("ACCOUNT", ACCOUNT)
            if re.search(_PLACE, command):
                self._order_for_all(stack, command)

    def _order_for_all(self, stack: str, command: str) -> None:
        """Carry out a command for each thing of its service that a stage left."""
        kind = _LEFT[shlex.split(command)[1]]
        names = [name for of, name in self.world.left if of == kind]
        for name in sorted(name for name in names if name.startswith(f"{stack}-")):
            self._order(_ADMINISTRATOR, re.sub(_PLACE, name, command))

    def _poison(self, stack: str) -> None:
        """Put other code, by this stage's role, where the other's package will be looked for."""
        other = self._get_other(stack)
        key = f"{other}/{self._make_plan(other, {}, 0).digest}.zip"
        with self._changes_alone(stack, other):
            self._try(stack, "s3", "put_object", Bucket=PACKAGES, Key=key, Body=b"other code")
        self.deploy(other, {}, version=0)

    def _reach(self, stack: str) -> None:
        """Change, by this stage's template or by an import, what the other one has."""
        other = self._get_other(stack)
        found = [one for one in self.world.own(other).values() if one.kind in _REACHED]
        if not found:
            return
        made = self._draw.choice(found)
        with self._changes_alone(stack, other):
            self._try(
                stack,
                "cloudformation",
                "create_change_set",
                StackName=stack,
                ChangeSetName="regulars-import",
                ChangeSetType="IMPORT",
                ResourcesToImport=[{"ResourceType": made.kind, "ResourceIdentifier": made.name}],
            )
            reached = {"Type": _REACHED[made.kind][0], "Properties": _REACHED[made.kind][1](made)}
            resources = {**self._rig.whole["Resources"], "Reach": reached}
            plan = self._make_plan(stack, {}, 0, {**self._rig.whole, "Resources": resources})
            try:
                self._call(plan, Session(self.world, self._rig.roles[stack]))
            except NotDeployed:
                pass
            else:
                raise Broken(f"{stack} has a {reached['Type']} of {made.name}")
        self.deploy(stack, {})

    # --- the command, and what it has to hold

    def deploy(
        self, stack: str, given: Mapping[str, str], *, version: int | None = None, cut_at: int = 0
    ) -> None:
        """Deploy, and go each way out that is said until it is done. Raises Broken."""
        version = self._draw.randrange(6) if version is None else version
        bound = _BOUNDARIES[stack]
        if stack not in self.asked:
            given = {"RoleBoundary": bound, **given}
        now = {**self.asked.get(stack, {}), **given}
        if given.get("DomainName") and "CertificateArn" not in given:
            now.pop("CertificateArn", None)  # the command finds it
        plan = self._make_plan(stack, given, version)
        role = self._rig.roles[stack]
        for turn in range(_MOST_TURNS):
            session = Session(self.world, role, 0 if turn else cut_at)
            said = self._turn(plan, session)
            if said is None:
                self.asked[stack] = now
                self._require_done(plan)
                return
            if "not authorized to perform" in said:
                if "RoleBoundary" not in given and now["RoleBoundary"] == bound:
                    raise Broken(f"the printed policy lacks a right: {said}")
                role = _ADMINISTRATOR  # docs/deploy.md, The role that deploys
                self.world.settle(stack)
            if said and not self._follow(stack, said) and role is not _ADMINISTRATOR:
                raise Broken(f"no way out is said: {said}")
            if not said and self._draw.random() < 0.2:
                self.world.settle(stack)
        raise Broken(f"no way out that was said leads anywhere: {said}")

    def _turn(self, plan: Plan, session: Session) -> str | None:
        """Call the command once; return what it said if it was refused, "" if it was cut off, and
        None if it was done."""
        world, stack = self.world, plan.stack
        before, other = world.look(stack), self._get_other(stack)
        self.acts.append(f"{stack}: {dict(plan.parameters)} by {session.role.name}")
        with self._changes_alone(stack, other):
            try:
                self._call(plan, session)
                said = None
            except CutOff:
                said = ""
            except NotDeployed as error:
                said = str(error)
        self.acts.append(f"    {'done' if said is None else said or 'cut off'}")
        if said:
            self._require_unchanged(stack, before, said)
        return said

    def _call(self, plan: Plan, session: Session, agree: Callable[[], bool] = lambda: True) -> None:
        """Do what the command does, but for packaging and the canary's tenant."""
        self.world.refusals.clear()
        self.world.denied.clear()
        deploy.require_parameters(self._rules, plan.parameters)
        account = Account(session)
        present = account.read_parameters(plan.stack)
        wanted = Wanted(plan.stack, plan.parameters, present, read_defaults(self._rules))
        findings = [*self._rig.check(account, wanted)]
        if failed := [one for one in findings if one.level is Level.FAILED]:
            lines = (f"failed {one.subject} {one.says}" for one in failed)
            raise NotDeployed("\n".join(lines))
        try:
            with redirect_stdout(io.StringIO()):
                deploy.deploy(plan, account, None, agree)
        except account.failures as error:
            raise NotDeployed(f"AWS refused: {error}") from error
        finally:
            if unseen := set(self.world.refusals) - {"fault", "right"}:
                raise Broken(f"preflight passed, and AWS refused: {unseen}")
            if self.world.denied:
                raise Broken(f"the printed policy lacks {self.world.denied}")

    def _require_unchanged(self, stack: str, before: dict[str, Any], said: str) -> None:
        """A command that is refused leaves a stage as it was, but for packages, and for what AWS
        could not make or take back, and what it goes on with."""
        after = self.world.look(stack)
        status = " ".join(one["stack"][0] for one in (before, after) if one["stack"])
        if said.startswith("failed "):
            if after != before:
                raise Broken(f"preflight changed something: {said}")
        elif status == "ROLLBACK_FAILED" and not self.world.faults.sticks:
            left = after["resources"].keys() - before["resources"].keys()
            if {kind for kind, _ in left} != {"AWS::KMS::Key"}:  # docs/deploy.md says so
                raise Broken(f"a creation that failed left {left}")
        elif "FAILED" not in status and "IN_PROGRESS" not in status:
            for part in ("resources", "tables"):
                if after[part] != before[part]:
                    raise Broken(f"what was refused changed the stage's {part}: {said}")

    def _require_done(self, plan: Plan) -> None:
        """All that was ever asked of a stage is so."""
        world, stack = self.world, plan.stack
        record = world.stacks[stack]
        asked = {**read_defaults(self._rules), **record.values, **self.asked[stack]}
        wrong = [name for name, value in asked.items() if record.values.get(name) != value]
        if record.status not in _DONE or wrong:
            raise Broken(f"{stack} is {record.status}, and not as asked: {wrong}")
        left = [key for key in world.left if not world.resources[key].is_retained]
        for key in left:
            if asked["RoleBoundary"] == _BOUNDARIES[stack]:
                raise Broken(f"{stack} left {key}, which is asked for no more")
            world.forget(*key)  # an administrator's work, as are such roles
        own = [*world.own(stack).values()]
        wrong = [name for name, is_so in _EFFECTS.items() if not is_so(own, asked[name])]
        if wrong:
            raise Broken(f"{stack} has other effects than asked: {wrong}")
        named = [*filter(None, f"{asked['Witness']},{asked['PictureBuckets']}".split(","))]
        lacking = {name.partition("/")[0] for name in named} - world.buckets
        if lacking | ({asked["AlarmTopic"]} - world.topics - {""}):
            raise Broken(f"{stack} names what is not there: {lacking or asked['AlarmTopic']}")
        tables = {one.name for one in own if one.kind == "AWS::DynamoDB::Table"}
        if not (record.is_protected and world.is_closed) or tables - world.protected:
            raise Broken(f"{stack}, its tables or the bucket of packages are not protected")
        key = f"{stack}/{plan.digest}.zip"
        code = {one.logical for one in own if key not in one.properties and "Function" in one.kind}
        if code or (world.packages or {})[key].body != plan.archive.read_bytes():
            raise Broken(f"{stack} has other code than its package: {code}")

    @contextmanager
    def _changes_alone(self, stack: str, other: str) -> Iterator[None]:
        before = self.world.look(other)
        yield
        after = self.world.look(other)
        if after != before:
            parts = [part for part in after if after[part] != before[part]]
            raise Broken(f"the role of {stack} changed {parts} of {other}")

    # --- ways out

    def _follow(self, stack: str, said: str) -> bool:
        """Go the first way out that is said; tell whether there was one."""
        for words, go in _WAYS.items():
            if found := re.search(words, said):
                go(self, stack, found)
                return True
        return False

    def order_by_role(self, stack: str, found: re.Match[str]) -> None:
        self.world.faults = Faults()
        if "wait for its end" not in found.string or self._draw.random() < 0.5:
            self._order(self._rig.roles[stack], found[1])
        self.world.settle(stack)

    def order_by_administrator(self, _stack: str, found: re.Match[str]) -> None:
        self._order(_ADMINISTRATOR, found[1])

    def wait(self, stack: str, found: re.Match[str]) -> None:
        self.world.faults = Faults()
        if "again later" not in found.string or self._draw.random() < 0.5:  # or too early
            self.world.settle(stack)

    def give_up_domain(self, stack: str, found: re.Match[str]) -> None:
        kind, domain = "AWS::ApiGateway::DomainName", found[1]
        owner = self.world.resources[kind, domain].stack
        if owner == stack:
            raise Broken(f"{stack} has {domain} itself")
        self.deploy(owner, _parse_parameters(found[2]))

    def make(self, _stack: str, found: re.Match[str]) -> None:
        self.world.buckets.add(found[1])

    def make_boundary(self, stack: str, _found: re.Match[str]) -> None:
        self.world.policies.add(f"{BOUNDARY}2")

    def make_key(self, _stack: str, _found: re.Match[str]) -> None:
        self.world.keys.add(_KEY)

    def set_log_role(self, _stack: str, _found: re.Match[str]) -> None:
        self.world.log_role = "arn:aws:iam::123456789012:role/logs"

    def raise_quota(self, _stack: str, _found: re.Match[str]) -> None:
        self.world.concurrency += 1_000

    def delete_tables(self, _stack: str, found: re.Match[str]) -> None:
        lines = dict.fromkeys(one for one in _read_page("", "") if "aws dynamodb" in one)
        for line in lines:
            for name in found[1].split(", "):
                self._order(_ADMINISTRATOR, line.replace("NAME", name))

    def delete_names(self, _stack: str, found: re.Match[str]) -> None:
        for kind, name in re.findall(r"the (dashboard|log group) ([^,:]+)", found[1]):
            of = {"dashboard": "AWS::CloudWatch::Dashboard"}.get(kind, "AWS::Logs::LogGroup")
            del self.world.resources[of, name]

    # ---

    def _order(self, role: Role, line: str) -> None:
        """Carry out a line of AWS's command line."""
        _aws, service, operation, *words = shlex.split(line.replace("`", ""))
        if (service, operation) == ("s3", "rb"):
            words = ["--bucket", words[0].removeprefix("s3://")]
        if operation == "wait":
            words = words[1:]
        asked: dict[str, Any] = {}
        while words:
            option = words.pop(0).removeprefix("--")
            is_flag = not words or words[0].startswith("--")
            name = "".join(part.capitalize() for part in option.removeprefix("no-").split("-"))
            asked[name] = not option.startswith("no-") if is_flag else words.pop(0)
        self.acts.append(f"    {role.name}: {line}")
        client = Session(self.world, role).client(service)
        getattr(client, operation.replace("-", "_"))(**asked)

    def _try(self, stack: str, service: str, operation: str, **asked: Any) -> None:
        client = Session(self.world, self._rig.roles[stack]).client(service)
        with suppress(ClientError):
            getattr(client, operation)(**asked)

    def _make_plan(
        self,
        stack: str,
        given: Mapping[str, str],
        version: int,
        whole: Mapping[str, Any] | None = None,
    ) -> Plan:
        return Plan(stack, self._rig.archives[version], whole or self._rig.whole, given)

    def _draw_parameters(self) -> dict[str, str]:
        names = self._draw.sample([*_VALUES], self._draw.choice((0, 1, 1, 1, 2, 3)))
        return {name: self._draw.choice(_VALUES[name]) for name in names}

    def _get_other(self, stack: str) -> str:
        [other] = {*STAGES} - {stack}
        return other


def _read_page(begin: str, end: str) -> list[str]:
    """Return the commands of AWS's command line that docs/stage.md prints between two words."""
    text = PAGE.read_text().partition(begin)[2] if begin else PAGE.read_text()
    part = text.partition(end)[0] if end else text
    return re.findall(r"(?:^ {4}|`)(aws [^`\n]+)", part, re.MULTILINE)


def _parse_parameters(words: str) -> dict[str, str]:
    return dict(one.split("=", 1) for one in words.split() if "=" in one)


_MOST_TURNS = 12
_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_DELETING = "**Delete a stage.**", "### A deleted stack"
"""Words of docs/stage.md between which it says how."""

_PLACE = r"NAME|(?<= )ID\b"
"""What a command of the page has in the place of a name."""

_LEFT = {"dynamodb": "AWS::DynamoDB::Table", "s3": "AWS::S3::Bucket", "kms": "AWS::KMS::Key"}
"""By the service's name in a command, what a deleted stage leaves of it."""

_REACHED: dict[str, tuple[str, Callable[[Made], dict[str, Any]]]] = {
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", lambda made: {"Bucket": made.name}),
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", lambda made: {"Queues": [made.name]}),
    "AWS::Lambda::Function": ("AWS::Lambda::Permission", lambda made: {"FunctionName": made.name}),
    "AWS::IAM::Role": ("AWS::IAM::ManagedPolicy", lambda made: {"Roles": [made.name]}),
}
"""What a template may add to a resource by its name."""

_WAYS: dict[str, Callable[[Days, str, re.Match[str]], None]] = {
    "`(aws cloudformation (?:continue|cancel)[^`]*)`": Days.order_by_role,
    "wait for its end|waits no longer: call it again": Days.wait,
    "`(aws sns create-topic [^`]*)`": Days.order_by_administrator,
    "`(aws acm request-certificate [^`]*)`": Days.order_by_administrator,
    "another API of this account has (.*?)\\. .*`(--parameter .*?)`": Days.give_up_domain,
    "nobody has a bucket (.*): make it": Days.make,
    "RoleBoundary is no policy that there is: make it": Days.make_boundary,
    "CustomerKey is not there: take a key": Days.make_key,
    "API Gateway has no role .*: set one": Days.set_log_role,
    "ask for more \\(Service Quotas, AWS Lambda\\)": Days.raise_quota,
    "there are its tables (.*): deploy another stage, or back up": Days.delete_tables,
    "names that are taken, by (.*): delete them": Days.delete_names,
    "was not made: .*Dashboard: it already exists": Days.wait,
    "(?:was rolled back|could not be deleted): .* Mend that": Days.wait,
}
"""By what a message says, what an operator then does."""


def _has(kind: str, name: str) -> Callable[[list[Made], str], bool]:
    """Make a check that a resource of a type and name is there if a parameter is not empty or
    off."""
    return lambda own, value: (
        (value not in ("", "off")) == any(one.kind == kind and name in one.logical for one in own)
    )


def _is_in(kind: str, text: str) -> Callable[[list[Made], str], bool]:
    """Make a check that resources of a type have a text with the parameter's value."""
    return lambda own, value: all(
        text.format(value) in one.properties for one in own if one.kind == kind
    )


def _reserves(function: str) -> Callable[[list[Made], str], bool]:
    """Make a check that the functions of that name have so many runs of their own."""
    return lambda own, value: (
        {one.runs for one in own if "Function" in one.kind and one.logical.startswith(function)}
        == {None if value == "-1" else int(value)}
    )


_EFFECTS: dict[str, Callable[[list[Made], str], bool]] = {
    "APIHandlerConcurrency": _reserves("APIHandler"),
    "AccessLog": _has("AWS::Logs::LogGroup", "AccessLogs"),
    "AlarmTopic": _has("AWS::CloudWatch::Alarm", "Busy"),
    "CanaryTenant": _has("AWS::CloudWatch::Alarm", "CanaryFails"),
    "CustomerKey": _has("AWS::IAM::Policy", "CustomerKeyUse"),
    "CaptureDays": _is_in("AWS::Lambda::Function", '"REGULARS_CAPTURE_DAYS": "{}"'),
    "DomainName": lambda own, value: (
        [one.name for one in own if one.kind == "AWS::ApiGateway::DomainName"]
        == ([value] if value else [])
    ),
    "FunctionUrl": _has("AWS::Lambda::Url", "RekognitionUrl"),
    "LogDays": _is_in("AWS::Logs::LogGroup", '"RetentionInDays": "{}"'),
    "PictureBuckets": _has("AWS::IAM::ManagedPolicy", "PictureBucketsPolicy"),
    "RoleBoundary": lambda own, value: (
        {one.boundary for one in own if one.kind == "AWS::IAM::Role"} == {value}
    ),
    "SearchConcurrency": _reserves("Search"),
    "WatchConcurrency": _reserves("Watch"),
    "Witness": _has("AWS::IAM::ManagedPolicy", "WitnessPolicy"),
}
"""By parameter, whether what a stage has is as its value says."""


def try_sequences(rig: Rig, seeds: Iterable[int], acts: int = 10) -> Iterator[str]:
    """Yield what broke, by the seed that draws it again."""
    for seed in seeds:
        days = Days(rig, seed)
        try:
            days.run(acts)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            yield "\n".join([f"--seed {seed} --sequences 1: {said}", *days.acts[-12:]])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    begun, broken = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        rig = make_rig(Path(folder))
        for said in try_sequences(rig, range(given.seed, given.seed + given.sequences)):
            broken += 1
            print(f"{said}\n", flush=True)
    print(f"{given.sequences} sequences, {broken} broken, {time.monotonic() - begun:.0f} s")
    return min(1, broken)


if __name__ == "__main__":
    sys.exit(main())
