"""Writing what a bundle says of itself."""

from dataclasses import replace
from pathlib import Path

from dinoflow_deploy.bundles.bundle import MANIFEST_NAME, FileInfo, Manifest, PlanInfo


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write a manifest into its bundle."""
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")


def with_plan(manifest: Manifest, plan: PlanInfo, file: FileInfo) -> Manifest:
    """A manifest with a plan, in place of the one of its flavour if there is one."""
    without = without_plan(manifest, plan.flavour)
    return replace(without, plans=(*without.plans, plan), files=without.files | {plan.file: file})


def without_plan(manifest: Manifest, flavour: str) -> Manifest:
    """A manifest without the plan of a flavour and its file."""
    files = dict(manifest.files)
    for plan in manifest.plans:
        if plan.flavour == flavour:
            del files[plan.file]
    kept = tuple(plan for plan in manifest.plans if plan.flavour != flavour)
    return replace(manifest, plans=kept, files=files)
