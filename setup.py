"""What pyproject.toml cannot say: the folder configs/ becomes a part of the package, docre/configs/."""

from setuptools import find_namespace_packages, setup

CONFIGS = {"docre.configs": "configs", "docre.configs.recipes": "configs/recipes"}
packages = find_namespace_packages(include=["docre", "docre.*"], exclude=["*.__pycache__"])

setup(packages=[*packages, *CONFIGS], package_dir=CONFIGS)
