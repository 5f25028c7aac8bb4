"""Build hooks: a wheel holds the package as the tree holds it now, never what an older `build/` still does."""

import shutil

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py


class CleanBuild(build_py):
    """Collect the modules in an empty folder, so that a deleted one cannot come back."""

    def run(self) -> None:
        """Run the stock command over an empty folder."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """The modules of a package, without this file: it lies in the package's folder and is no part of it."""
        found: list[tuple[str, str, str]] = super().find_package_modules(package, package_dir)
        return [entry for entry in found if entry[:2] != ("codebudget", "setup")]


class CleanWheel(bdist_wheel):
    """Pack from an empty folder, so that what an interrupted build left there stays out."""

    def run(self) -> None:
        """Run the stock command over an empty folder."""
        shutil.rmtree(self.bdist_dir, ignore_errors=True)
        super().run()


setup(cmdclass={"build_py": CleanBuild, "bdist_wheel": CleanWheel})
