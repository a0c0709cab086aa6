"""Methods by name: each a choice of factors, with its published settings."""

from __future__ import annotations

from typing import NamedTuple

from dartsedu.methods.blends import Adversarial, RandomSmoothing
from dartsedu.methods.draws import Dirichlet, Gumbel, GumbelHard, Sigmoid
from dartsedu.methods.edges import AuxiliarySkip
from dartsedu.methods.method import Method
from dartsedu.methods.penalties import BetaDecay, ZeroOne
from dartsedu.methods.schedule import Schedule
from dartsedu.methods.stops import Eigenvalue, SettledRanking, TooManySkips


class Named(NamedTuple):
    """A method with a name.

    Attributes:
        method: its choice of factors.
        source: who published it.
        rule: how its genotypes are derived, where the space keeps the strongest edges of a node
            (see ``derivation.RULES``). An equation leaves edges out in its own way.
    """

    method: Method
    source: str
    rule: str = "paper"


METHODS: dict[str, Named] = {
    "darts": Named(Method(), "Liu, Simonyan, Yang 2019"),
    "single-level": Named(Method(level="single"), "the foil of DARTS §3.3 and of SNAS"),
    "fair-darts": Named(
        Method(relaxation=Sigmoid(), penalty=ZeroOne()), "Chu et al. 2020", "threshold"
    ),
    "robust-darts-es": Named(Method(stop=Eigenvalue()), "Zela et al. 2020"),
    "darts-plus": Named(Method(stop=TooManySkips()), "Liang et al. 2019, criterion 1"),
    "darts-plus-ranking": Named(Method(stop=SettledRanking()), "Liang et al. 2019, criterion 2"),
    "darts-minus": Named(Method(edge=AuxiliarySkip()), "Chu et al. 2021"),
    "snas": Named(
        Method(
            level="single",
            relaxation=Gumbel(
                temperature=Schedule(shape="linear", start=1.0, end=0.03, over=150, closed=True)
            ),
        ),
        "Xie et al. 2019",
        "argmax",
    ),
    "gdas": Named(Method(relaxation=GumbelHard()), "Dong & Yang 2019"),
    "drnas": Named(Method(relaxation=Dirichlet()), "Chen et al. 2021", "softmax-alpha"),
    "beta-darts": Named(Method(penalty=BetaDecay()), "Ye et al. 2022"),
    "sdarts-rs": Named(Method(blend=RandomSmoothing()), "Chen & Hsieh 2020"),
    "sdarts-adv": Named(Method(blend=Adversarial()), "Chen & Hsieh 2020"),
}
"""By the name that ``dartsedu search --method`` takes."""
