"""The command line of `regulars deploy`."""

from __future__ import annotations

import argparse
import sys

from regulars.options import add_model_folder


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "Deploy this checkout to AWS as a stack of its own: package, upload, show what changes, carry it out."
    deploy = commands.add_parser("deploy", help="deploy to AWS, or show what that would do", description=about)
    deploy.add_argument("--stage", required=True, help="the stack is called regulars-STAGE; stages share nothing")
    deploy.add_argument("--dry-run", action="store_true", help="show what it would do, without AWS")
    deploy.add_argument("--yes", action="store_true", help="carry the change set out without asking")
    deploy.add_argument("--region", help="AWS region (default: the environment's)")
    deploy.add_argument("--bucket", help="where packages are uploaded to (default: one that is made for it)")
    deploy.add_argument("--architecture", choices=("arm64", "x86_64"), default="arm64", help="default: %(default)s")
    deploy.add_argument("--python", choices=("3.13", "3.12"), default="3.13", help="Lambda's (default: %(default)s)")
    add_model_folder(deploy)
    deploy.add_argument("--pack", action="append", default=[], metavar="NAME", help="model pack; again for several")
    deploy.add_argument(
        "--parameter", type=_pair, action="append", default=[], metavar="NAME=VALUE", help="see docs/deploy.md"
    )
    deploy.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from regulars.deploy import deploy
    from regulars.errors import NotDeployed

    options = deploy.Options(
        stage=arguments.stage,
        parameters=dict(arguments.parameter),
        architecture=arguments.architecture,
        python=arguments.python,
        bucket=arguments.bucket,
        models=arguments.models,
        packs=tuple(arguments.pack),
    )
    plan = deploy.plan(options)
    for line in deploy.told(plan):
        print(line)
    if arguments.dry_run:
        return
    import boto3

    from regulars.deploy.stack import Account

    account = Account(boto3.session.Session(region_name=arguments.region))
    try:
        deploy.deploy(plan, account, options.bucket, lambda: arguments.yes or _agrees())
    except account.failures as error:
        raise NotDeployed(f"AWS refused: {error}") from error


def _agrees() -> bool:
    if not sys.stdin.isatty():
        print("there is nobody to ask; --yes carries it out")
        return False
    return input("Carry this out? [y/N] ").strip().lower() in ("y", "yes")


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not (found and name):
        raise argparse.ArgumentTypeError(f"a parameter is NAME=VALUE, not {text!r}")
    return name, value
