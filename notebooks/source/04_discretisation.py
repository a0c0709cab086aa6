# %% [markdown]
# # 04 Discretisation: from a mixture back to a choice
#
# *45 minutes. The searches and trainings take a minute or two in all.* The search is over, and every edge
# holds a bit of everything. Somebody must choose. How much does that cost?
#
# **You will be able to**
#
# - derive a cell from α by hand, with the rule of the paper;
# - say where other codebases read the same α differently, and find out which rule a result used;
# - measure the [discretisation gap](../docs/glossary.md#discretisation-gap), and say what it does and does
#   not tell about the cell;
# - say what it costs to keep two edges at a node;
# - read the published cells with a critical eye.
#
# **You need** [01](01_continuous_relaxation.ipynb) (softmax over α) and
# [03](03_search_a_cell.ipynb) (a search, entropy).

# %%
import torch

from dartsedu import PUBLISHED, Recording, derive, discretisation_gap, load_task, mixture_weights
from dartsedu.derivation import RULES
from dartsedu.lessons import discretisation as lesson
from dartsedu.lessons import discretisation_checks as checks
from dartsedu.lessons import start
from dartsedu.lessons.search import digits_search

torch.set_num_threads(1)  # the same numbers on every machine, as far as that goes

# %% [markdown]
# ## 1 · One node, by hand
#
# Node 1 of a cell can hear three states: the two inputs $c_{k-2}$, $c_{k-1}$ and node 0. So three
# [edges](../docs/glossary.md#edge) enter it. To keep it short, each mixes four operations. A search has left these α, a
# row for each edge:

# %%
alpha = lesson.node_alpha()
print(alpha)
lesson.node_picture(mixture_weights(alpha))

# %% [markdown]
# **Predict, before you read on:** the node may keep *two* edges, with one operation on each. Which two would
# you keep? *none* has the largest share of the first edge. What does that say?
#
# The paper's rule (§2.4) has two steps. First, every edge gets a [strength](../docs/glossary.md#strength),
# the largest weight of an operation that is not *none*:
#
# $$s_e = \max_{o \neq \text{none}} \frac{\exp(\alpha_{e,o})}{\sum_{o'} \exp(\alpha_{e,o'})}$$
#
# - $e$: an edge into the node, $o$: one of its operations
# - $o'$ runs over **all** operations, *none* included: it takes part in the sum, but it cannot win
#
# Then the node keeps the two strongest edges, each with the operation that made it so. In the code that is
# [`_paper`](dartsedu/derivation.py:_paper), one of the rules that [`derive`](dartsedu/derivation.py:derive) offers.
#
# ### Exercise 1: the strength of every edge
#
# Column 0 is *none*.


# %% tags=["exercise"]
def strengths(alpha):
    """α of shape (edges, operations) → the strength of each edge, shape (edges,)."""
    ...  # your code


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Two things happen, and the order matters: first all operations share the edge (`mixture_weights`), then one
# of them is left out.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# `p[:, 1:]` is the table without its first column; `.amax(dim=1)` the largest of each row.
#
# </details>


# %% tags=["solution"]
def strengths(alpha):
    """α of shape (edges, operations) → the strength of each edge, shape (edges,)."""
    p = mixture_weights(alpha)
    return p[:, 1:].amax(dim=1)


# %% tags=["check"]
checks.check_strengths(strengths)

# %% [markdown]
# ### Exercise 2: what the node keeps
#
# Give the two strongest edges as pairs (edge, operation): rows and columns of α.


# %% tags=["exercise"]
def keep_two(alpha):
    """α of shape (edges, operations) → a list of two pairs (edge, operation)."""
    ...  # your code


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# One pair for each edge first: its best operation. Then choose between the edges. If you choose among all
# pairs at once, both may come from the same predecessor.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# `best = p[:, 1:].max(dim=1)` has `.values` and `.indices`. The indices are one short, since the first column
# is missing.
#
# </details>
#
# <details>
# <summary>Hint 3</summary>
#
# `best.values.topk(2).indices` are the two strongest edges.
#
# </details>


# %% tags=["solution"]
def keep_two(alpha):
    """α of shape (edges, operations) → a list of two pairs (edge, operation)."""
    best = mixture_weights(alpha)[:, 1:].max(dim=1)
    edges = best.values.topk(2).indices
    return [(int(e), int(best.indices[e]) + 1) for e in edges]


# %% tags=["check"]
checks.check_derive(keep_two)

# %% [markdown]
# ### Try it: move one α until the cell flips
#
# On the left the strength of each edge; grey is dropped. *Margin* is how far the weaker of the two kept edges
# is ahead of the one left out. Find:
#
# 1. *none* can never win. Lower its α on the first edge. At which value does the node choose another edge
#    all the same?
# 2. Leave *none* there, at 2.3. Now give *sep 3×3* on the second edge a worse and worse α. Is the edge kept
#    or dropped? Why?

# %%
lesson.node_explorer(alpha)

# %% [markdown]
# <details>
# <summary>What you should have found</summary>
#
# 1. At 2.3. *none* sits in the denominator: the more it takes, the weaker its edge.
# 2. At −2 the edge is kept, by *skip*. Three operations that are nearly as good share an edge, so none of
#    them is strong; take one away, and the others gain. An edge torn between good operations loses to an edge
#    with one that has no rival.
#
# </details>
#
# The authors say themselves that the strength of *none* is underdetermined (§2.4): with BatchNorm behind the
# node, more *none* on all of its edges changes only the scale of the sum. Yet it decides which edges stay.
#
# > **Takeaway.** The rule compares shares across edges, though each share was learned against rivals on its own.

# %% [markdown]
# ## 2 · Six rules, one α
#
# Every codebase with a DARTS in it has some [derivation rule](../docs/glossary.md#derivation-rule), a few lines
# at the end. The lines differ:
#
# | rule | strength of an edge | keeps | found in |
# |---|---|---|---|
# | `paper` | best softmax(α), *none* in the sum | 2, from different predecessors | DARTS |
# | `raw-alpha` | best α, no softmax, *none* ignored | 2, from different predecessors | pt.darts, NNI, archai |
# | `none-excluded` | best softmax(α), *none* not in the sum | 2, from different predecessors | NASLib |
# | `shared-predecessor` | every operation by itself | 2, even from the same predecessor | AutoDL |
# | `argmax` | largest α; *none* may win | all edges | AutoRA, NAS-Bench-201 |
# | `threshold` | best sigmoid(α), at least 0.85 | 2 at most, perhaps none | FairDARTS |
#
# `derive` knows all six by name. (PC-DARTS has a seventh: it multiplies by a second weight for each edge, which
# the others do not have.) Here is what they keep of the same α as before, dotted where *none* is kept.
#
# **Find:** three rules do not care where *none* stands. Which, and why?

# %%
lesson.rules_explorer(alpha)

# %% [markdown]
# <details>
# <summary>What you should have found</summary>
#
# `raw-alpha`, `none-excluded` and `threshold`: each leaves *none* out before it compares. For the others *none*
# weakens its edge (`paper`, `shared-predecessor`) or takes it (`argmax`, dotted).
#
# </details>
#
# This α is made up so that no two agree. What about a real one? Lesson 00's search recorded α at each of its 220
# steps.
#
# **Predict, then run:** at how many of them does each rule derive the paper's cell?

# %%
recording = Recording.load(start.RECORDING)
cells = {
    rule: [derive(recording.space, step.alphas, rule) for step in recording.steps] for rule in RULES
}
for rule, found in cells.items():
    same = sum(mine == paper for mine, paper in zip(found, cells["paper"]))
    print(f"{rule:>18}: {same:3} of {len(found)} steps")

# %% [markdown]
# Even here, where a cell has two nodes and only one of five edges to drop, the rules that keep two often part
# company. `argmax` never agrees, since it drops nothing. `threshold` neither: 0.85 asks for α of 1.73 or more, and the
# largest here ever was 1.52.
#
# > **Takeaway.** A genotype belongs to a rule. Who reports a cell should name it.

# %% [markdown]
# ## 3 · What the cut costs
#
# A search as in lesson 03, but with three nodes, so that there is more to drop.

# %% tags=["nbval-ignore-output"]
task = load_task("digits")
search = digits_search(0, "search.epochs=3", task=task, nodes=3)
steps = list(search)  # a search is a stream of steps
supernet = search.supernet
lesson.competition_picture(supernet)

# %% [markdown]
# Coloured bars are kept, grey ones dropped. **Look at how close it is:** even shares would be 0.125 each, and what
# is dropped is nearly as strong as what is kept.
#
# Cutting means: 1 on what is kept, 0 on everything else. With $m$ this mixture of zeros and ones, the gap is
#
# $$\text{gap} = L(w, m) - L(w, \text{softmax}(\alpha))$$
#
# on the architecture split, **with the same w**
# ([`discretisation_gap`](dartsedu/discretisation.py:discretisation_gap), with $m$ from
# [`discretised_mixture`](dartsedu/discretisation.py:discretised_mixture)).
#
# **Predict, then run:** the supernet is right on nearly every image. How often is it right after the cut?

# %% tags=["nbval-ignore-output"]
split = task.architecture
gap = discretisation_gap(supernet, split, supernet.genotype())
for name, score in (("mixture", gap.mixture), ("cut", gap.discretised)):
    print(f"{name:>8}: loss {score.loss:.2f}, accuracy {score.accuracy:.2f}")

# %% [markdown]
# That is a wide gap. Was choosing by α at least better than choosing blindly? Cut ten *random* cells out of the
# same supernet:

# %% tags=["nbval-ignore-output"]
blind = [
    lesson.cut_accuracy(supernet, split, lesson.random_keeping(supernet, 2, s)) for s in range(10)
]
accuracies = {
    "mixture": gap.mixture.accuracy,
    "cut by α": gap.discretised.accuracy,
    "best of 10": max(blind),
    "mean of 10": sum(blind) / len(blind),
}
assert accuracies["mixture"] - accuracies["cut by α"] > 0.2
lesson.accuracies_picture(accuracies)

# %% [markdown]
# *The cut by α beats the average random cut, though the luckiest of ten does as well. Both lose most of what the
# mixture could do. The w were trained as a team; now most of the team is gone.*
#
# ### Try it: sharpen instead of cutting
#
# Divide α by a [temperature](../docs/glossary.md#temperature) and lower it: the mixture turns into a choice
# without a jump. w stays as it is. The authors suggest it as a remedy *during* the search (§4). On the right,
# every row is an edge of the normal cell. Find:
#
# 1. how many of the nearly three bits of entropy can go before the accuracy falls;
# 2. towards which cut it goes, and why not towards the paper's.

# %% tags=["nbval-ignore-output"]
lesson.temperature_explorer(supernet, split)

# %% [markdown]
# <details>
# <summary>What you should have found</summary>
#
# 1. Half a bit costs nothing, the first whole bit a few points of a hundred. From then on it falls faster and
#    faster, long before the rows look like a choice.
# 2. As T goes to 0, softmax(α/T) gives each edge wholly to its largest α, *none* included, and drops no edge:
#    that is `argmax`. The paper's rule also drops whole edges, and no temperature does that.
#
# </details>
#
# Then is a small gap the mark of a good search? Let α decide quickly, with thirty times the learning rate:

# %% tags=["nbval-ignore-output"]
hasty = digits_search(
    0, "search.epochs=3", "search.architecture.learning_rate=1.5", task=task, nodes=3
)
steps = list(hasty)
quick = discretisation_gap(hasty.supernet, split, hasty.supernet.genotype())
print(f"mixture {quick.mixture.accuracy:.2f}, cut {quick.discretised.accuracy:.2f}")

# %% [markdown]
# Next to no gap, and a worse mixture. A fast α decides at once (lesson 03), before any operation has learned much;
# from then on w trains for little else than that cell.
#
# > **Takeaway.** The gap says that the supernet's accuracy is not the cell's. It does not say
# > that the cell is bad, nor does a small gap say that it is good.

# %% [markdown]
# ## 4 · What do two edges cost?
#
# Why two? To be comparable with the cells that existed, which had two (§2.4). Let us keep 1, 2 or all edges of every
# node, derived and random, and look twice. First cut out of the supernet, with its w:

# %% tags=["nbval-ignore-output"]
keeps = {3: 1, 6: 2, 9: 4}  # edges of the cell: edges that a node may keep
found = {
    n: [lesson.cut_accuracy(supernet, split, lesson.keeping(supernet, k))] for n, k in keeps.items()
}
drawn = {
    n: [
        lesson.cut_accuracy(supernet, split, lesson.random_keeping(supernet, k, s))
        for s in range(5)
    ]
    for n, k in keeps.items()
}
lesson.keep_picture("cut out of the supernet", found, drawn)

# %% [markdown]
# **Predict:** now train the same cells *from scratch*, for 44 steps, on the `weights` split only. How much of the
# difference will be left?

# %% tags=["nbval-ignore-output"]
found = {
    n: [lesson.scratch_accuracy(lesson.keeping(supernet, k), task, seed) for seed in (0, 1)]
    for n, k in keeps.items()
}

# %% tags=["nbval-ignore-output"]
drawn = {
    n: [lesson.scratch_accuracy(lesson.random_keeping(supernet, k, s), task, s) for s in (0, 1)]
    for n, k in keeps.items()
}
lesson.keep_picture("trained from scratch", found, drawn)

# %% [markdown]
# The ruin is gone. After 44 steps of training every cell is right on about nine images of ten, or more, and most of
# what lay between three edges and nine has gone with it. Nor does α help here: random cells do as well as derived
# ones. Two trainings of each, a point or two apart, cannot rank them. They can show that the collapse was not the
# cells' fault.
#
# > **Takeaway.** What the cut destroys, training restores. A cell is judged by training it from scratch, several
# > times, beside random ones: lesson 05.

# %% [markdown]
# ## 5 · The published cells
#
# The cells that DARTS published: first v1, found by first order, then v2, by second order.

# %%
from IPython.display import display

from dartsedu.show.cell_graph import genotype_figure

for name in ("darts-v1", "darts-v2"):
    display(genotype_figure(PUBLISHED[name]))

# %% [markdown]
# **Predict:** how many operations with weights to learn (convolutions) are there in the reduction cells? And which of
# the four cells below could the paper's rule never have given? (Look for a node that takes both edges from the same
# state.)

# %%
names = ("darts-v1", "darts-v2", "nasnet", "amoebanet")
print(lesson.published_table({name: PUBLISHED[name] for name in names}))

# %% [markdown]
# - The reduction cells of DARTS pool and skip: no convolution at all, beyond those that prepare a cell's inputs.
# - NASNet and AmoebaNet have nodes that take one state twice. *Distinct predecessors* is DARTS's choice, not a law.
#
# First and second order: did they find the same? For scale, random pairs of cells beside them:

# %%
from dartsedu import cnn_space, random_genotype
from dartsedu.lessons.search import shared_edges

drawn = [random_genotype(cnn_space(), seed) for seed in range(40)]
pair = [PUBLISHED["darts-v1"], PUBLISHED["darts-v2"]]
print(
    f"v1 and v2 share {shared_edges(pair):.2f} of their edges, random cells {shared_edges(drawn):.2f}"
)

# %% [markdown]
# Far more than chance: both gradients, or the rule and the space, lead to the same corner. Which of them it was, two
# cells cannot say. Each is the best of four runs by validation (§3.2).
#
# ## Recap
#
# - Strength: softmax with *none* in the sum, *none* cannot win. Keep the two strongest edges of each node.
# - Six rules; on an unlucky α, six cells. Name your rule.
# - Cut with the same w, the network falls apart. A hasty α closes that gap, and proves nothing.
# - A cell's worth shows when it is trained from scratch, beside random ones.

# %% [markdown]
# ## Three questions
#
# **1.** Somebody adds 5 to the α of *none* on every edge. Which rules derive another cell?
#
# <details>
# <summary>Answer</summary>
#
# `argmax`: *none* takes every edge on which nothing leads by more than 5. `raw-alpha`, `none-excluded` and `threshold` do not look at it.
# `paper` and `shared-predecessor` may: each strength shrinks, but not all by the same factor.
#
# </details>
#
# **2.** A supernet scores 98 %, cut to its genotype 45 %. A random cell of the same space, trained from scratch,
# scores 97 %. What do you know about the genotype?
#
# <details>
# <summary>Answer</summary>
#
# Hardly anything yet. 98 % is the mixture's, 45 % is that of weights trained for a mixture. Train the genotype
# from scratch, too, several times, and then compare with 97 %.
#
# </details>
#
# **3.** Why does cooling α to T → 0 not lead to the paper's cell?
#
# <details>
# <summary>Answer</summary>
#
# It makes a choice *on* each edge, with *none* allowed to win. The paper's rule also chooses *between* edges and
# drops all but two of them, which softmax within an edge cannot express.
#
# </details>
#
# ## Break it
#
# - Make an α for which `paper` and `none-excluded` agree but `raw-alpha` does not.
# - The recurrent space keeps one edge at a node. Draw `PUBLISHED["darts-rnn-v2"]`: what does that do to its shape?
# - Cut by another rule: `supernet.genotype("argmax")` in `discretisation_gap`. Wider or narrower? Then count its edges.
# - Train the hasty search's cell with `lesson.scratch_accuracy`. Is it worse than the patient one's?
#
# **Next:** [05 From scratch, and honestly](05_from_scratch.ipynb): cells trained anew, and what may be concluded.
