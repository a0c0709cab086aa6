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
from dartsedu.lessons import cuts, start
from dartsedu.lessons import discretisation as lesson
from dartsedu.lessons import discretisation_checks as checks
from dartsedu.lessons.guess import predict
from dartsedu.lessons.intervals import told

torch.set_num_threads(1)  # the same numbers on every machine, as far as that goes

# %% [markdown]
# ## Watch a mixture harden
#
# A search of cells with three nodes is over, and its weights stay as they are. Only the mixture is sharpened: α is
# divided by a [temperature](../docs/glossary.md#temperature) $T$ that falls. On the right every row is an edge of the
# normal cell; it ends with one operation that has everything. Press **Play** and look to the left: how much of the
# accuracy is left when the choice is made?

# %%
record = cuts.Record.load()
lesson.temperature_explorer(record.runs[0].sharpened)

# %% [markdown]
# This network was good as long as it did not choose. Why is that so, and is the chosen cell bad? First: who chooses?
#
# ## 1 · One node, by hand
#
# Node 1 of a cell can hear three states: the two inputs $c_{k-2}$, $c_{k-1}$ and node 0. So three
# [edges](../docs/glossary.md#edge) enter it. To keep it short, each mixes four operations. Suppose a search had left
# these α, a row for each edge:

# %%
alpha = lesson.node_alpha()
print(alpha)
lesson.node_picture(mixture_weights(alpha))

# %%
predict(
    "The node may keep two edges, with one operation on each. Which edge will it drop?",
    lesson.dropped(alpha),
    "By the rule of the paper, which comes now.",
    among=lesson.SOURCES,
)

# %% [markdown]
# *none* has the largest share of the first edge. What does that say? The paper's rule (§2.4) has two steps. First, every edge gets a [strength](../docs/glossary.md#strength),
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
#
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

# %%
recording = Recording.load(start.RECORDING)
cells = {
    rule: [derive(recording.space, step.alphas, rule) for step in recording.steps] for rule in RULES
}
same = {
    rule: sum(mine == paper for mine, paper in zip(found, cells["paper"]))
    for rule, found in cells.items()
}
steps = len(recording.steps)
predict(
    f"At how many of the {steps} steps does `raw-alpha` derive the paper's cell?",
    same["raw-alpha"],
    lesson.agreement_picture(same, steps),
    near=15,
)

# %% [markdown]
# Even here, where a cell has two nodes and only one of five edges to drop, the rules that keep two often part
# company. `argmax` never agrees, since it drops nothing. `threshold` neither: a sigmoid of 0.85 asks for an α that this
# search never reached.
#
# > **Takeaway.** A genotype belongs to a rule. Who reports a cell should name it.
#
# ## 3 · What the cut costs
#
# A search as in lesson 03, but with three nodes, so that there is more to drop.

# %% tags=["nbval-ignore-output"]
task = load_task("digits")
supernet = cuts.searched(cuts.PATIENT, 0, task).supernet
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
# And was choosing by α at least better than choosing blindly? For that, ten *random* cells are cut out of the same
# supernet.

# %% tags=["nbval-ignore-output"]
split = task.architecture
gap = discretisation_gap(supernet, split, supernet.genotype())
mixture, cut = gap.mixture.accuracy, gap.discretised.accuracy
draws = [cuts.random_keeping(supernet, 2, seed) for seed in range(10)]
blind = [cuts.cut_accuracy(supernet, split, drawn) for drawn in draws]
assert mixture - cut > 0.2
predict(
    f"As a mixture the supernet is right on {mixture:.0%} of the images. On how many after the cut?",
    round(100 * cut),
    lesson.cuts_picture(mixture, cut, blind),
    unit=" %",
    near=8,
)

# %% [markdown]
# Every cut loses most of what the mixture could do. The w were trained as a team; now most of the team is gone.
#
# ### Try it: sharpen instead of cutting
#
# Go back to the slider at the top of the lesson. There the mixture turns into a choice without a jump. (The authors
# suggest it as a remedy *during* the search, §4.) Find:
#
# 1. how many of the nearly three bits of entropy can go before the accuracy has fallen by a tenth;
# 2. towards which cut it goes, and why not towards the paper's.
#
# <details>
# <summary>What you should have found</summary>
#
# 1. About one bit. From then on it falls faster and faster, long before the rows look like a choice.
# 2. As T goes to 0, softmax(α/T) gives each edge wholly to its largest α, *none* included, and drops no edge:
#    that is `argmax`. The paper's rule also drops whole edges, and no temperature does that.
#
# </details>
#
# Then is a small gap the mark of a good search? Let α decide quickly, with thirty times the learning rate:

# %% tags=["nbval-ignore-output"]
hasty = cuts.searched(cuts.HASTY, 0, task).supernet
quick = discretisation_gap(hasty, split, hasty.genotype())
assert quick.mixture.accuracy - quick.discretised.accuracy < 0.6 * (mixture - cut)
assert quick.mixture.accuracy < mixture
f"hasty: mixture {quick.mixture.accuracy:.2f}, cut {quick.discretised.accuracy:.2f}"

# %% [markdown]
# A smaller gap, and a worse mixture. A fast α decides at once, before any operation has learned much;
# from then on w trains for little else than that cell. Was that this one seed? Here are twenty of either kind
# ([`record_cuts.py`](source/record_cuts.py) made them). Above them, what the hasty have more than the patient: as
# mixtures, and as cells that were trained from scratch. (Lesson 05 explains the intervals.)

# %%
for what, found in cuts.patience(record).items():
    print(f"{what}: {told(found)}")
lesson.seeds_picture(record)

# %% [markdown]
# The hasty mixture is worse by points. Its cell is not.
#
# > **Takeaway.** The gap says that the supernet's accuracy is not the cell's. A wide one does not say that the cell is
# > bad, nor a narrow one that it is good.
#
# ## 4 · What do two edges cost?
#
# Why two? To be comparable with the cells that existed, which had two (§2.4). Let us keep 1, 2 or all edges of every
# node, and look twice. First cut out of the supernet, with its w:

# %% tags=["nbval-ignore-output"]
keeps = cuts.KEEPS  # edges of the cell: edges that a node may keep
found = {n: cuts.cut_accuracy(supernet, split, cuts.keeping(supernet, keeps[n])) for n in keeps}
{f"{n} edges": f"{accuracy:.0%}" for n, accuracy in found.items()}

# %% [markdown]
# Now train the same cells *from scratch*, for 44 steps, on the `weights` split only.

# %% tags=["nbval-ignore-output"]
trained = {n: cuts.scratch_accuracy(cuts.keeping(supernet, k), task) for n, k in keeps.items()}
assert min(trained.values()) > 0.5
predict(
    f"Cut out, the cell of nine edges is {100 * (found[9] - found[3]):.0f} points ahead of that of "
    "three. And after training?",
    round(100 * (trained[9] - trained[3])),
    ", ".join(f"{n} edges: {accuracy:.0%}" for n, accuracy in trained.items()),
    unit=" points",
    near=4,
)

# %% [markdown]
# Is that luck? The record has twenty searches, the cells of each cut out and trained from scratch, and random
# cells beside them:

# %%
for edges, found in cuts.derived_or_drawn(record).items():
    print(f"{edges} edges, derived − random, from scratch: {told(found)}")
lesson.kept_pictures(record)

# %% [markdown]
# The ruin is gone: it was not the cells' fault. And on this task random cells do as well as derived ones, or better, once
# both are trained.
#
# > **Takeaway.** What the cut destroys, training restores. A cell is judged by training it from scratch, several
# > times, beside random ones: lesson 05.
#
# ## 5 · The published cells
#
# The cells that DARTS published: first v1, found by first order, then v2, by second order.

# %%
from IPython.display import display

from dartsedu.show.cell_graph import genotype_figure

for name in ("darts-v1", "darts-v2"):
    display(genotype_figure(PUBLISHED[name]))

# %% [markdown]
# Which cells could the paper's rule never have given? (Look for a node that takes both edges from the same state.)

# %%
names = ("darts-v1", "darts-v2", "nasnet", "amoebanet")
table = lesson.published_table({name: PUBLISHED[name] for name in names})
predict(
    "How many of the eight operations in the reduction cell of DARTS v2 are convolutions?",
    lesson.counted(PUBLISHED["darts-v2"], "reduce", "conv"),
    "The table below counts them in every cell.",
)

# %%
print(table)

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
# - Cut with the same w, the network falls apart. A hasty α narrows that gap, and proves nothing.
# - A cell's worth shows when it is trained from scratch, beside random ones.
#
# ## Quiz

# %%
checks.QUIZ

# %% [markdown]
# ## Break it
#
# - Make an α for which `paper` and `none-excluded` agree but `raw-alpha` does not.
# - The recurrent space keeps one edge at a node. Draw `PUBLISHED["darts-rnn-v2"]`: what does that do to its shape?
# - Cut by another rule: `supernet.genotype("argmax")` in `discretisation_gap`. Wider or narrower? Then count its edges.
# - Train the hasty search's cell with `cuts.scratch_accuracy`, three seeds. Is it worse than the patient one's?
#
# **Next:** [05 From scratch, and honestly](05_from_scratch.ipynb): cells trained anew, and what may be concluded.
