"""The command line of `regulars deploy`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from regulars.options import ask_yes_or_no, deed_options, models_option

if TYPE_CHECKING:
    from regulars.deploy.deploy import Plan
    from regulars.deploy.stack import Account


def _split_pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (sign and name):
        raise click.BadParameter(f"a parameter is NAME=VALUE, not {text!r}")
    return name, value


@click.command(short_help="Deploy to AWS.")
@click.option("--stage", required=True, help="Name of the stage; its stack is regulars-STAGE.")
@deed_options
@click.option("--region", help="AWS region.  [default: the environment's]")
@click.option("--bucket", help="Bucket for packages.  [default: created by the command]")
@click.option("--architecture", type=click.Choice(["arm64", "x86_64"]), default="arm64")
@models_option
@click.option(
    "--pack",
    "packs",
    multiple=True,
    metavar="NAME",
    help="Additional model pack to deploy; repeatable.",
)
@click.option(
    "--domain", metavar="NAME", help="Custom domain of the API, with a certificate in ACM."
)
@click.option(
    "--preflight",
    is_flag=True,
    help="Check what the account would refuse, then exit.",
)
@click.option(
    "--policy",
    "policy_of",
    flag_value="deployer",
    help="Print the IAM policy for a role that deploys the stage, then exit.",
)
@click.option(
    "--operators-policy",
    "policy_of",
    flag_value="operator",
    help="Print the IAM policy for operators who use commands with --stage, then exit.",
)
@click.option(
    "--parameter",
    "parameters",
    type=_split_pair,
    multiple=True,
    metavar="NAME=VALUE",
    help="Parameter of the stack (docs/deploy.md).",
)
def deploy(*, dry_run: bool, preflight: bool, policy_of: str | None, **given: Any) -> None:
    """Deploy this checkout to AWS as a stack of its own: package, upload, show the changes, carry
    them out.

    Before that it asks the account what would be refused. A dry run does not call AWS.

    \b
    Examples:
      regulars deploy --stage prod --dry-run
      regulars deploy --stage prod --preflight
      regulars deploy --stage prod --region eu-central-1 --parameter AlarmTopic=arn:aws:sns:...
      regulars deploy --stage prod --domain faces.shop.example
      regulars deploy --stage prod --policy > policy.json
      regulars deploy --stage prod --operators-policy > operators.json
    """
    from regulars.deploy.deploy import require_parameters
    from regulars.deploy.package import read_parameters
    from regulars.deploy.stage import stack_name

    if preflight and dry_run:
        raise click.UsageError(
            "--preflight asks the account, and --dry-run does not: give one of them"
        )
    options = DeployOptions(**given)
    stack = stack_name(options.stage)
    if policy_of is not None:
        _print_policy(stack, options.values, policy_of)
        return
    rules = read_parameters()
    require_parameters(rules, options.values)
    if dry_run:
        _print_dry_run(options.make_plan())
        return
    account = _open_account(options.region, stack, rules, options.values)
    if not preflight:
        _carry_out(options.make_plan(), account, options)


class DeployOptions(Struct, frozen=True):
    """The package, its parameters and the place that it goes to, as the options say."""

    stage: str
    yes: bool
    region: str | None
    bucket: str | None
    architecture: str
    models: Path | None
    packs: tuple[str, ...]
    domain: str | None
    parameters: tuple[tuple[str, str], ...]

    @property
    def values(self) -> dict[str, str]:
        """Values of the template's parameters, by name, with the domain among them."""
        return {**({"DomainName": self.domain} if self.domain else {}), **dict(self.parameters)}

    def make_plan(self) -> Plan:
        """Package this checkout.

        Raises InvalidInput for a wrong stage, NotDeployed if packaging fails.
        """
        from regulars.deploy import deploy

        return deploy.make_plan(
            self.stage,
            self.values,
            architecture=self.architecture,
            models=self.models,
            names=self.packs,
        )

    def agree(self) -> bool:
        """Ask whether to carry it out, unless --yes says so."""
        return self.yes or ask_yes_or_no("Carry this out?")


def _print_policy(stack: str, values: Mapping[str, str], policy_of: str) -> None:
    """Print the policy of the `deployer` or `operator` to stdout, which may be a file, and what it
    comes to beside it."""
    from regulars.deploy import policy

    key = values.get("CustomerKey", "")
    if policy_of == "operator":
        document = policy.make_operators_policy(stack, values.get("Witness", ""), key)
        left = policy.LEFT_TO_OPERATORS
    else:
        document = policy.make_role_policy(stack, values.get("RoleBoundary", ""), key)
        left = policy.LEFT_OVER
    print(json.dumps(document, indent=2))
    print(left, file=sys.stderr)


def _print_dry_run(plan: Plan) -> None:
    """Print the plan, and its limits in an account with AWS's ordinary quota."""
    from regulars.deploy.deploy import ORDINARY_CONCURRENCY

    for line in chain(plan.write_lines(), plan.write_limits(ORDINARY_CONCURRENCY)):
        print(line)
    print("            assumed: the account was not asked, and a new one may run as few as 10")


def _open_account(
    region: str | None, stack: str, rules: Mapping[str, Any], values: Mapping[str, str]
) -> Account:
    """Return the account of the environment.

    Raises NotDeployed if it would refuse the deployment, and says why.
    """
    import boto3

    from regulars.deploy.preflight import Wanted, check_account, read_defaults
    from regulars.deploy.stack import Account
    from regulars.errors import NotDeployed
    from regulars.findings import print_findings

    account = Account(boto3.session.Session(region_name=region))
    wanted = Wanted(stack, values, account.read_parameters(stack), read_defaults(rules))
    if print_findings(check_account(account, wanted)):
        raise NotDeployed("nothing was packaged or made: see the lines that begin with `failed`")
    return account


def _carry_out(plan: Plan, account: Account, options: DeployOptions) -> None:
    """Print a plan, deploy it, and make the canary's tenant. Raises NotDeployed."""
    from regulars.deploy import deploy
    from regulars.deploy.canary import find_canary
    from regulars.errors import NotDeployed
    from regulars.tenants.canary import add_canary

    for line in plan.write_lines():
        print(line)
    try:
        if deploy.deploy(plan, account, options.bucket, options.agree):
            os.environ["AWS_DEFAULT_REGION"] = account.region  # of the clients of the service, too
            present = account.read_parameters(plan.stack) or {}
            url = (account.read_outputs(plan.stack) or {}).get("EndpointURL", "")
            if name := find_canary(present):
                add_canary(options.stage, name, url)
    except account.failures as error:
        raise NotDeployed(f"AWS refused: {error}") from error
