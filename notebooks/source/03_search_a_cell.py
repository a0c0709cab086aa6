# %% [markdown]
# # 03 Search a cell, live
#
# *45 minutes. The searches take about a minute in all; everything runs on a laptop's CPU.*
#
# **You will be able to**
#
# - write one step of the search: α on one split, w on the other
# - run a search and read its [architecture weights](../docs/glossary.md#alpha) while they move
# - say what entropy and the number of skip connections tell, and what they do not
# - compare first and second order, and several seeds, without fooling yourself
# - break a search on purpose and recognise it next time
#
# **You need** [01](01_continuous_relaxation.ipynb) (the mixed operation) and
# [02](02_bilevel_updates.ipynb) (why there are two losses).

# %%
import torch

from dartsedu import compare, live, load_task
from dartsedu.lessons import search as lesson
from dartsedu.lessons import search_checks as checks

torch.set_num_threads(1)

# %% [markdown]
# ## What is searched?
#
# Images of digits, 8×8 pixels, from scikit-learn. Noise makes them hard enough to be interesting.
# They come in three [splits](../docs/glossary.md#bilevel-problem), named for what they train:
# `weights` trains the operations, `architecture` trains the choice between them, and `test` stays
# closed until everything is chosen.

# %%
task = load_task("digits")
{name: len(getattr(task, name)) for name in ("weights", "architecture", "test")}

# %%
lesson.digits_picture(task)

# %% [markdown]
# The network is a stack of three [cells](../docs/glossary.md#cell): normal, reduction, reduction. A
# cell has two inputs and two [nodes](../docs/glossary.md#node), so five
# [edges](../docs/glossary.md#edge). On every edge stand eight
# [operations](../docs/glossary.md#primitive), mixed by softmax:
#
# $$\bar o(x) = \sum_{o} \frac{\exp(\alpha_o)}{\sum_{o'} \exp(\alpha_{o'})}\, o(x)$$
#
# Here $x$ is what enters the edge, $o$ runs over the operations, and $\alpha_o$ is one number for
# each. In the code: [`MixedOp`](dartsedu/relaxation.py:MixedOp) and
# [`mixture_weights`](dartsedu/relaxation.py:mixture_weights). All cells of one kind share their α.

# %%
search = lesson.digits_search(seed=0, task=task)
alphas = sum(alpha.numel() for alpha in search.supernet.alphas.values())
weights = sum(w.numel() for w in search.supernet.weights().values())
print(f"{alphas} architecture weights α, {weights} operation weights w")

# %% [markdown]
# **Predict, then run.** α start at zero. What is each operation's share of its edge? And by how
# much can one step move an α, if the optimiser is Adam with learning rate 0.05? (Adam's first step
# is the sign of the gradient times the learning rate.)

# %%
before = search.supernet.mixture()["normal"][0, 0]
step = next(search)
moved = step.alphas["normal"].round(3)
print(f"share before: {before:.3f}")
print("α of the first edge after one step:", moved[0])

# %% [markdown]
# *Every α moved by one learning rate, up or down. After one step, the sign is all there is to see.*
#
# ## What does one step do?
#
# Algorithm 1 of the paper repeats two lines:
#
# $$\alpha \leftarrow \alpha - \eta_\alpha \nabla_\alpha L_{architecture}(w, \alpha), \qquad
# w \leftarrow w - \eta_w \nabla_w L_{weights}(w, \alpha)$$
#
# $L_{architecture}$ and $L_{weights}$ are the losses on a batch of either split, η the learning
# rates. This is [first order](../docs/glossary.md#first-order); lesson 02 had the better gradients
# for the first line. The package does both lines in [`Search`](dartsedu/search.py:Search), where
# [`FirstOrder`](dartsedu/architect.py:FirstOrder) gives the gradient.
#
# **Exercise 1.** Write both lines. `supernet.loss(batch)` gives `.loss`; `supernet.alphas` is a
# dict of parameters; `w` and `alpha` are the optimisers of the two.


# %% tags=["exercise"]
def one_step(supernet, weights_batch, architecture_batch, w, alpha):
    ...  # α down the loss on the architecture batch
    ...  # w down the loss on the weights batch


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Each line is the usual three calls of PyTorch: clear the gradients, go backward from a loss, let
# one optimiser step. Which loss belongs to which optimiser?
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# Going backward from the architecture batch's loss also leaves gradients on w. They must not be
# there when w steps.
#
# </details>


# %% tags=["solution"]
def one_step(supernet, weights_batch, architecture_batch, w, alpha):
    alpha.zero_grad()
    supernet.loss(architecture_batch).loss.backward()
    alpha.step()
    w.zero_grad()
    outcome = supernet.loss(weights_batch)
    outcome.loss.backward()
    w.step()
    return outcome


# %% tags=["check"]
checks.check_step(one_step)

# %% [markdown]
# *A search is this step, a few hundred times.* From here on the package's does it; it also clips
# gradients, lowers w's learning rate, and stops with a clear message when a loss is not finite.
#
# ## What happens to α?
#
# `live` runs the search in a thread of its own and draws it while it runs. In JupyterLab, press
# **Play** below; the next cell waits for the end, and the buttons stay alive. (Reading on GitHub?
# The figure two cells down shows how it ended.)
#
# Watch for three things:
#
# 1. Which edge makes up its mind first? Click it to see its operations.
# 2. Do the solid edges (those that would be kept) settle? The ticks under the curves are changes.
# 3. Press **What if I stopped now?** near the start and near the end.

# %% tags=["nbval-ignore-output"]
search = lesson.digits_search(0, "search.epochs=6", task=task)
run = live(search)
run

# %% tags=["nbval-ignore-output"]
await run.finished()
last = run.recording.steps[-1]
print(f"{run.state}: accuracy on the architecture split {last.accuracy['architecture']:.2f}")

# %% tags=["nbval-ignore-output"]
run.figure()

# %% [markdown]
# Drag the slider back to any step: the whole history is in the browser. *The supernet learns fast;
# the choice between operations moves slowly, and goes on changing after the loss is flat.*
#
# ## How decided is it?
#
# The [entropy](https://en.wikipedia.org/wiki/Entropy_(information_theory)) of a mixture says how
# many operations still compete: with $p_o$ the share of operation $o$,
#
# $$H = -\sum_o p_o \log_2 p_o$$
#
# is 3 bits for eight even shares and 0 when one has everything. For a cell we take the mean over
# its edges, [`entropy`](dartsedu/show/measures.py:entropy).
#
# **Exercise 2.** Write it for a mixture of shape (edges, operations).


# %% tags=["exercise"]
def mean_entropy(mixture):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Sum over the operations first (the last dimension), then take the mean over the edges.
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# `torch.log2` gives bits.
#
# </details>


# %% tags=["solution"]
def mean_entropy(mixture):
    return -(mixture * torch.log2(mixture)).sum(dim=1).mean()


# %% tags=["check"]
checks.check_entropy(mean_entropy)

# %% tags=["nbval-ignore-output"]
lesson.entropies_picture({"seed 0": run.recording})

# %% [markdown]
# **Predict.** Look at the last value. If it is 2.7 bits, about how many operations still compete on
# an average edge? ($2^{2.7} \approx 6.5$.) What, then, will happen when all but one are cut?
#
# *A search that ends with high entropy has not decided. Cutting to one operation then changes the
# network a great deal: that is the [discretisation gap](../docs/glossary.md#discretisation-gap) of
# lesson 04.*
#
# ## Is second order better?
#
# Lesson 02 showed that first order drops a term of the
# [hypergradient](../docs/glossary.md#hypergradient). Here it is put back exactly, from the same
# start, with the same batches.

# %% tags=["nbval-ignore-output"]
exact = live(lesson.digits_search(0, "search.architect=exact", "search.epochs=3", task=task))
await exact.finished()

# %% tags=["nbval-ignore-output"]
compare({"first order": run.recording, "second order, exact": exact.recording})

# %% [markdown]
# Both views move through time together. Choose an edge: do the same operations lead? *The two
# runs begin alike and drift apart. One pair of runs cannot say which cell is better; that takes
# training both from scratch, several times (lesson 05).*
#
# ## Would another seed find the same cell?
#
# **Predict:** what share of the kept edges, operation included, will two searches have in common
# that differ only in their seed?

# %% tags=["nbval-ignore-output"]
recordings = {"seed 0": run.recording}
for seed in (1, 2, 3):
    other = live(lesson.digits_search(seed, "search.epochs=3", task=task))
    await other.finished()
    recordings[f"seed {seed}"] = other.recording

# %% tags=["nbval-ignore-output"]
from dartsedu import derive, random_genotype

space = search.space
found = [derive(space, r.steps[65].alphas) for r in recordings.values()]
drawn = [random_genotype(space, seed) for seed in range(40)]
shares = {"four searches": lesson.shared_edges(found), "random cells": lesson.shared_edges(drawn)}
lesson.shares_picture(shares)

# %% [markdown]
# The grey bar is what chance gives. *A search that finds much the same cell from every start has
# seen something in the data; one that barely beats chance has mostly seen its own seed. Always
# show the grey bar.*
#
# ## What breaks a search?
#
# Four settings, a few seconds each. **Predict** for each whether entropy falls faster or slower
# than in the run above:
#
# - α's learning rate thirty times as high
# - w's learning rate nearly zero, so that the operations stay random
# - both at once
# - the learning rate of α nearly zero

# %% tags=["nbval-ignore-output"]
alpha, w = "search.architecture.learning_rate", "search.weights.learning_rate"
settings = {
    "α fast": (f"{alpha}=1.5",),
    "w frozen": (f"{w}=1e-6", "search.weights.learning_rate_end=0"),
    "both": (f"{alpha}=1.5", f"{w}=1e-6", "search.weights.learning_rate_end=0"),
    "α frozen": (f"{alpha}=1e-6",),
}

# %% tags=["nbval-ignore-output"]
broken = {"as above": run.recording}
for name, changes in settings.items():
    trial = live(lesson.digits_search(0, "search.epochs=2", *changes, task=task))
    await trial.finished()
    broken[name] = trial.recording
lesson.entropies_picture(broken)

# %% tags=["nbval-ignore-output"]
for name, recording in broken.items():
    step = recording.steps[43]
    skips = derive(space, step.alphas)["normal"].count("skip_connect")
    print(f"{name:>9}: accuracy {step.accuracy['architecture']:.2f}, skips kept {skips}")

# %% [markdown]
# A fast α decides at once, before the operations have learned anything: the winner is an accident, and
# the supernet's accuracy hardly shows it. With w frozen α still moves, towards whatever random
# operations happen to help. *Low entropy is not success. It only says that a choice was made.*
#
# Many [skip connections](../docs/glossary.md#primitive) are the best known way for a search to
# fail: a skip needs no training, so early on it is ahead, and a long search may end with little
# else. Watch the fourth curve of the dashboard.
#
# ## Recap
#
# - One step: α down the architecture split, then w down the weights split.
# - The dashboard shows shares, not quality: thick means strong, solid means that it would be kept.
# - Entropy says how decided a search is, the skip count warns of collapse; neither says that a
#   cell is good.
# - Differences between two runs mean nothing without other seeds and a random baseline.

# %% [markdown]
# ## Three questions
#
# 1. Why may α not be trained on the `weights` split?
#
# <details>
# <summary>Answer</summary>
#
# Then both would follow the same loss, and α would favour whatever overfits it fastest. On a split
# of its own, α is rewarded for what generalises. Lesson 02 shows the difference.
#
# </details>
#
# 2. The supernet reaches 95 % on the architecture split after 100 steps, with 2.8 bits of entropy.
#    May you expect 95 % from the discrete cell?
#
# <details>
# <summary>Answer</summary>
#
# No. At 2.8 bits about seven operations share each edge, and the supernet's accuracy is theirs
# together. Cutting to one changes the network; it must be trained again.
#
# </details>
#
# 3. Two seeds give different cells. Is the search useless?
#
# <details>
# <summary>Answer</summary>
#
# Not by itself: different cells may be equally good. But then the search has not found *the* cell,
# and random cells of the same space must be the yardstick. Lesson 05 does that.
#
# </details>
#
# ## Break it
#
# - Limit the speed to two steps a second and watch one edge decide. Does the loss notice?
# - Give `digits_search` the change `"search.epochs=30"`. Does entropy go on falling? Do skips come?
# - Start from `search.architect=finite-difference` and compare with exact. Same edges?
# - Make the classroom's noise smaller, or larger: `load_task("digits")` takes its settings from
#   `dartsedu show classroom`.
#
# **Next:** [04 Discretisation](04_discretisation.ipynb): from the mixture back to a choice, and what that costs.
