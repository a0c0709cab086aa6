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
from dartsedu.lessons.guess import predict

torch.set_num_threads(1)
task = load_task("digits")

# %% [markdown]
# ## Watch a search decide
#
# Three operations on every edge, equal shares at the start; twelve steps a second, so that eyes can follow. Press **Play**; the next cell waits for the end,
# and the buttons stay alive. Drag the slider back to any step: the whole history is in the browser.

# %% tags=["nbval-ignore-output"]
easy = live(lesson.deciding_search(seed=0, task=task), speed=12)
easy

# %% tags=["nbval-ignore-output"]
await easy.finished()
first, last = easy.recording.steps[0], easy.recording.steps[-1]
print(f"strongest share: {lesson.strongest_share(first):.2f} → {lesson.strongest_share(last):.2f}")

# %% [markdown]
# This search has been made easy, to be seen: few operations, and α that moves fast. (On GitHub the numbers
# say it: about half after one step, nearly everything at the end.) The paper's eight operations with α at a gentle pace, further
# down, are a more sober sight. First: what happens in a step?
#
# ## What is searched?
#
# Images of digits, 8×8 pixels, from scikit-learn. Noise makes them hard enough to be interesting.
# They come in three [splits](../docs/glossary.md#bilevel-problem), named for what they train:
# `weights` trains the operations, `architecture` trains the choice between them, and `test` stays
# closed until everything is chosen.

# %%
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
# α start at zero, so each operation has an eighth of its edge.

# %%
rate = search.settings.architecture.learning_rate
step = next(search)
moved = step.alphas["normal"].round(3)
print("α of the first edge after one step:", moved[0])
assert (abs(abs(moved) - rate) < 0.002).all()

# %%
predict(
    "How far did one step move an α? (Adam's first step is the sign of the gradient times the "
    "learning rate of α.)",
    float(abs(moved).max()),
    f"The learning rate is {rate}. After one step, the sign is all there is to see.",
    near=0.001,
)

# %% [markdown]
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
# Now the paper's eight operations, α at the gentle pace of the classroom preset. `live` runs the search in a
# thread of its own and draws it while it runs. (Reading on GitHub? The figure two cells down shows how it
# ended.)
#
# Watch for three things:
#
# 1. Does any edge make up its mind? Click one to see its operations.
# 2. Do the edges that would be kept settle? The ticks under the curves are changes.
# 3. The curve *what if I stopped now*: supernet and cut network are measured on the way. Do they meet?

# %% tags=["nbval-ignore-output"]
search = lesson.digits_search(0, "search.epochs=6", task=task)
run = live(search, speed=12, measure_gap=22)
run

# %% tags=["nbval-ignore-output"]
from dartsedu.discretisation import score

await run.finished()
right = score(search.supernet, task.architecture).accuracy
print(f"{run.state}: the supernet is right on {right:.1%} of the architecture split")

# %% tags=["nbval-ignore-output"]
run.figure()

# %% [markdown]
# *The supernet learns fast; the choice between operations moves slowly.* Many edges end with several
# operations nearly level, and which of them leads may change from step to step.
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
from dartsedu.show.measures import entropy

bits = entropy(run.recording.steps[-1].mixture["normal"])
predict(
    "About how many operations still compete on an average edge of the normal cell, at the end?",
    round(2**bits, 1),
    lesson.entropies_picture({"eight operations": run.recording, "three": easy.recording}),
    near=1,
)

# %% [markdown]
# An entropy of $H$ bits is that of $2^H$ even operations. What, then, will happen when all but one are cut?
#
# *A search that ends with high entropy has not decided. Cutting to one operation then changes the
# network a great deal: that is the [discretisation gap](../docs/glossary.md#discretisation-gap) of
# lesson 04.*
#
# ## Is second order better?
#
# Lesson 02 showed that first order drops a term of the
# [hypergradient](../docs/glossary.md#hypergradient). Here it is put back exactly, from the same
# start, with the same batches, for as many steps.

# %% tags=["nbval-ignore-output"]
short = "search.epochs=2"
pair = lesson.record(
    {
        "first order": lesson.digits_search(0, short, task=task),
        "exact": lesson.digits_search(0, short, "search.architect=exact", task=task),
    }
)

# %% tags=["nbval-ignore-output"]
compare(pair)

# %% [markdown]
# Both views move through time together. Choose an edge: do the same operations lead? *The two
# runs begin alike and drift apart. One pair of runs cannot say which cell is better; that takes
# training both from scratch, several times (lesson 05).*
#
# ## Would another seed find the same cell?
#
# Three more searches, which differ only in their seed.

# %% tags=["nbval-ignore-output"]
others = {f"seed {n}": lesson.digits_search(n, short, task=task) for n in (1, 2, 3)}
recordings = [pair["first order"], *lesson.record(others).values()]

# %% tags=["nbval-ignore-output"]
shared = lesson.shared_edges([lesson.kept_at(r, 43) for r in recordings])
by_chance = lesson.chance(search.space, group=4)
predict(
    "What share of the kept edges, operation included, do two of the four searches have in common?",
    round(100 * shared),
    lesson.chance_picture(shared, by_chance),
    unit=" %",
    near=5,
)

# %% [markdown]
# The grey curve is what chance gives: four random cells, drawn again and again. *A search that finds much the
# same cell from every start has seen something in the data; one that stands within the grey has mostly
# seen its own seed. Always show the grey.*
#
# ## What breaks a search?
#
# Five settings, an epoch each from three seeds:
#
# - as above;
# - α's learning rate thirty times as high;
# - w's learning rate nearly zero, so that the operations stay random;
# - both at once;
# - the learning rate of α nearly zero.

# %% tags=["nbval-ignore-output"]
alpha, w = "search.architecture.learning_rate", "search.weights.learning_rate"
still = (f"{w}=1e-6", "search.weights.learning_rate_end=0")
settings = {
    "as above": (),
    "α fast": (f"{alpha}=1.5",),
    "w frozen": still,
    "both": (f"{alpha}=1.5", *still),
    "α frozen": (f"{alpha}=1e-6",),
}

# %% tags=["nbval-ignore-output"]
trials = {
    name: [lesson.digits_search(n, "search.epochs=1", *more, task=task) for n in range(3)]
    for name, more in settings.items()
}
each = {f"{name}, {n}": s for name, group in trials.items() for n, s in enumerate(group)}
broken = lesson.record(each)

# %% tags=["nbval-ignore-output"]
bits = {name: entropy(broken[f"{name}, 0"].steps[-1].mixture["normal"]) for name in settings}
predict(
    "Which of them ends with the lowest entropy: the most decided?",
    min(bits, key=bits.get),
    lesson.entropies_picture({name: broken[f"{name}, 0"] for name in settings}),
    among=list(settings),
)

# %% tags=["nbval-ignore-output"]
print(lesson.accuracy_table(trials))
assert bits["α frozen"] > 2.99 > bits["α fast"]

# %% [markdown]
# Read the table by pairs: does a low entropy go with a high accuracy? With w frozen α still moves, towards
# whatever random operations happen to help. With α fast the choice falls before the operations have learned
# much. *Low entropy is not success. It only says that a choice was made.*
#
# **A cure** for the last is to let w learn first. "Break it" has it as an experiment. Another failure is known
# better: a skip connection needs no training, so early on it is ahead, and long searches on larger images may
# end with little else (this is called *collapse*). It has cures of its own, such as stopping early.
#
# ## Recap
#
# - One step: α down the architecture split, then w down the weights split.
# - The dashboard shows shares, not quality: wide means strong, full colour means that it would be kept.
# - Entropy says how decided a search is, the skip count warns of a collapse into skips; neither says
#   that a cell is good.
# - Differences between two runs mean nothing without other seeds and a random baseline.

# %% [markdown]
# ## What stays open
#
# Why should operations that share an edge be ranked by their α at all? No proof says so: it is a bet that what
# helps within the mixture helps alone. Lessons 04 and 05 check it. What does a search cost? Every edge computes
# all of its operations, so a step is dearer than one of the final network by about their number. Why Adam for
# α? Its steps do not depend on how large the gradients of α are, and those are small and differ between edges.
#
# ## Quiz

# %%
checks.QUIZ

# %% [markdown]
# ## Break it
#
# - Limit the speed to two steps a second and watch one edge of the first search decide. Does the loss notice?
# - Let w learn first: `live` a search with `"search.architecture.learning_rate=1e-6"`, take its w over with
#   `supernet.load_state_dict`, and go on with a fast α. Does it decide for other operations?
# - Give `digits_search` the change `"search.epochs=30"`. Does entropy go on falling? Watch the curve of skip
#   connections. (On these digits we have not seen them take over; on larger images others have.)
# - Start from `search.architect=finite-difference` and compare with exact. Same edges?
# - Make the classroom's noise smaller, or larger: `load_task("digits")` takes its settings from
#   `dartsedu show classroom`.
#
# **Next:** [04 Discretisation](04_discretisation.ipynb): from the mixture back to a choice, and what that costs.
