# %% [markdown]
# # 00 Start here
#
# *30 minutes. Next to nothing is trained; every cell answers at once.*
#
# **You will be able to**
#
# - say what neural architecture search is for, and what DARTS does differently
# - read the picture of a [cell](../docs/glossary.md#cell) and of a search
# - count how many cells there are to choose from
# - find your way through the course, and know that your machine is ready for it
#
# **You need** Python, and to have seen a neural network in PyTorch. No more for this lesson.

# %%
from dartsedu import PUBLISHED, Recording, replay
from dartsedu.lessons import start
from dartsedu.lessons import start_checks as checks
from dartsedu.lessons.guess import predict
from dartsedu.show.cell_graph import genotype_figure

# %% [markdown]
# ## A search, before any words
#
# A network learns to read digits, and at the same time chooses of what it is built. Every strand is an
# operation, as wide as its share.

# %% tags=["nbval-ignore-output"]
replay(start.DECIDED, play=True)

# %% [markdown]
# The same on one edge, in numbers; a menu chooses the edge.

# %%
start.shares_explorer(Recording.load(start.DECIDED))

# %% [markdown]
# At the start every operation has the same share. At the end one has nearly everything: a choice, made by
# gradient descent. That is DARTS. The rest of this lesson says what you have just seen.
#
# ## Who draws the network?
#
# Somebody chose that your favourite network has 3×3 convolutions here, a skip connection there, pooling
# after every second block. Usually that somebody tried a few variants, kept the best, and called it an
# architecture.
#
# **Neural architecture search** hands the choice to an algorithm. It needs three things:
#
# 1. a [search space](../docs/glossary.md#search-space): the networks it may choose from,
# 2. a measure of how good a network is,
# 3. a way to look for a good one without training them all.
#
# DARTS (Liu, Simonyan and Yang, 2019) is a way to do the third by gradient descent. That is all this
# course is about, and it is enough for a day.
# %% [markdown]
# ## What is a cell?
#
# The search does not draw a whole network but one small building block, a cell, which is then stacked.
# Here is the one that the paper found for images of 32×32 pixels:
# %%
genotype_figure(PUBLISHED["darts-v2"])

# %% [markdown]
# - A box is a [node](../docs/glossary.md#node): a stack of feature maps. $c_{k-2}$ and $c_{k-1}$ are what
#   the two cells before have put out.
# - An arrow is an [edge](../docs/glossary.md#edge) with one
#   [operation](../docs/glossary.md#primitive) on it, such as a 3×3 separable convolution.
# - A node adds up what arrives. Each keeps two arrows.
# - The output $c_k$ is all nodes side by side.
#
# There are two kinds: a *normal* cell keeps the size of the map, a *reduction* cell halves it. The
# drawing as data is called a [genotype](../docs/glossary.md#genotype):
# [`Genotype`](dartsedu/genotype.py:Genotype).

# %%
normal = PUBLISHED["darts-v2"]["normal"]
names = ["c_{k-2}", "c_{k-1}", "node 0", "node 1", "node 2", "node 3"]
for state, edge in normal.edges[:4]:
    print(f"{names[state]} takes {edge.primitive} of {names[edge.source]}")

# %%
predict(
    "How many of the eight arrows of the normal cell carry a separable 3×3 convolution? Count.",
    normal.count("sep_conv_3x3"),
)

# %% [markdown]
# *A cell is a small graph with an operation on every edge.*

# %% [markdown]
# ## How many cells are there?
#
# Node $i$ (counted from 0) may listen to the two inputs and the $i$ nodes before it. It keeps two
# different predecessors, and each of the two edges has one of $m$ operations. So
#
# $$\#\text{cells} = \prod_{i=0}^{n-1} \binom{2+i}{2}\, m^2$$
#
# with $n$ nodes. The space itself is [`SearchSpace`](dartsedu/topology.py:SearchSpace), a value that
# lists cells and operations.
#
# **Exercise.** Write it as a function. (The operation `none`, which is in the search but never kept,
# does not count: $m = 7$.)

# %% tags=["exercise"]
import math


def count(nodes, operations):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Python has `math.prod` and `math.comb`.
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# With one node: one pair of predecessors, and 7 operations on either of two edges: 49.
#
# </details>

# %% tags=["solution"]
import math


def count(nodes, operations):
    return math.prod(math.comb(2 + i, 2) * operations**2 for i in range(nodes))


# %% tags=["check"]
checks.check_count(count)

# %% [markdown]
# Suppose that training one takes an hour. A thousand machines would need more than a hundred years for
# the normal cells alone. Earlier methods trained thousands of candidates by reinforcement learning or
# evolution, for thousands of GPU days.
#
# *Trying them all is out of the question; even trying many is expensive.*

# %% [markdown]
# ## The idea of DARTS, in one picture
#
# Do not choose. Put **all** operations on every edge at once, each with a weight, and let gradient
# descent move the weights while the network trains. At the end keep the strongest and throw the rest
# away.
#
# Below is a recorded search over the paper's eight operations, on small images of handwritten digits, with
# all its edges. In JupyterLab press **Play**; on GitHub you see its last step.
#
# - Every edge is a bundle of strands, one an operation; colour and dashes say which, width how large its share.
# - Edges in full colour would be kept if the search stopped now, pale ones would not. (Dashes have nothing
#   to do with it.)
#
# Click an edge to see all its operations, and how they got there.

# %% tags=["nbval-ignore-output"]
replay(start.RECORDING, play=True)

# %% [markdown]
# The same in numbers, from the file:

# %%
recording = Recording.load(start.RECORDING)
first, last = recording.steps[0], recording.steps[-1]
for step in (first, last):
    share = step.mixture["normal"].max(axis=1)
    print(f"step {step.index + 1:3}: strongest shares {share.round(2)}")

# %%
predict(
    "In how many of the last fifty steps did the cell that would be kept change?",
    start.changes(recording, last=50),
    "Each is a tick under the curves of the replay. The loss does not show them: what changes "
    "places are operations with nearly the same share.",
    near=3,
)

# %% [markdown]
# At the start every operation has 1/8 of its edge, or nearly. At the end the strongest has more, but here,
# with eight to choose from and a short search, far from all. Both kinds of search are honest. Keep this one
# in mind for lesson 04, where the rest is cut away.
#
# *DARTS turns a choice into weights, trains the weights, and turns them back into a choice.*

# %% [markdown]
# ## What the course answers
#
# | question | lesson |
# |---|---|
# | How can a choice have a gradient? | [01 Continuous relaxation](01_continuous_relaxation.ipynb) |
# | What are these weights trained on, if the network trains at the same time? | [02 Bilevel updates](02_bilevel_updates.ipynb) |
# | What happens when it all runs? | [03 Search a cell, live](03_search_a_cell.ipynb) |
# | How does the mixture become a choice again, and what does that cost? | [04 Discretisation](04_discretisation.ipynb) |
# | Is the cell any good, and how would one know? | [05 From scratch, and honestly](05_from_scratch.ipynb) |
# | Does it work for text? | [06 Recurrent cells](06_recurrent_cells.ipynb) |
# | And for a law of nature? | [07 Discovering equations](07_discovering_equations.ipynb) |
# | Does searching pay at all, if one knows what every cell is worth? | [08 Does it pay?](08_does_it_pay.ipynb) |
#
# Links like [supernet](../docs/glossary.md#supernet) lead to the [glossary](../docs/glossary.md#alpha). By
# every equation a link such as [`SearchSpace`](dartsedu/topology.py:SearchSpace) opens the file that
# computes it (GitHub also jumps to the line; in JupyterLab search for the name). Where a field asks for
# **your guess first**, the result waits for it. Exercises have hints, a solution, and a check that tells what
# is wrong, so be bold.

# %% [markdown]
# ## Is this machine ready?

# %% tags=["nbval-ignore-output"]
print(start.this_machine())

# %% [markdown]
# A CPU is enough for the whole course. With a GPU, the paper's own settings are one word away:
# `dartsedu search --preset paper` in a terminal.
#
# Does the package compute what it should? A supernet with one step of search is a good test:

# %%
import torch

from dartsedu.lessons.search import digits_search

torch.set_num_threads(1)
step = next(digits_search(seed=0))
print(f"loss on the weights split: {step.loss['weights']:.1f} (ln 10 = {math.log(10):.1f})")
assert abs(step.loss["weights"] - math.log(10)) < 0.5

# %% [markdown]
# An untrained network that guesses among ten digits has a loss of about ln 10. If you see that, all is
# well.

# %% [markdown]
# ## Recap
#
# - Architecture search chooses a network from a space that is far too large to try out.
# - DARTS searches a cell: a graph with one operation on each edge.
# - It mixes all operations, learns the mixture by gradient descent, and keeps the strongest.
# - What it keeps is a choice, not a proof. Lesson 03 shows how much of it is chance.

# %% [markdown]
# ## Quiz

# %%
checks.QUIZ

# %% [markdown]
# ## Break it
#
# - Draw another published cell: `genotype_figure(PUBLISHED["nasnet"])`. Which operations does it use that
#   DARTS does not know?
# - Write the genotype as JSON, `print(PUBLISHED["darts-v2"].to_json())`, change a `source` to 9, and read
#   it back with `Genotype.from_json`. What does the error say?
# - Save the replay as a page for a friend: `replay(start.RECORDING).export_html("replay.html")`.
