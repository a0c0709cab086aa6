# %% [markdown]
# # 05 From scratch, and honestly
#
# *45 minutes. Three networks are trained; everything else is read from a record.*
#
# **You will be able to**
#
# - train the network of a [genotype](../docs/glossary.md#genotype) from scratch and count what it costs
# - write the interval of a mean, and of a paired difference, and say what it speaks about
# - tell luck of the training, luck of the cell and luck of the test set apart
# - say what a table of results allows you to conclude, and what not
# - take the same steps to the paper's settings on a GPU
#
# **You need** [03](03_search_a_cell.ipynb) (a search and the cell it finds). What a mean and a standard
# deviation are.

# %%
import torch
from scipy import stats

from dartsedu import PUBLISHED, CNNNetwork, Training, load_task, multiply_adds
from dartsedu.lessons import intervals
from dartsedu.lessons import scratch as lesson
from dartsedu.lessons import scratch_checks as checks
from dartsedu.lessons.guess import predict
from dartsedu.show.cell_graph import genotype_figure
from dartsedu.spaces.build import build_network, search_space

torch.set_num_threads(1)

# %% [markdown]
# ## A leaderboard without skill
#
# Forty candidates are tested one after another, on 360 images as in this course. They are all *equally good*. Press
# **Play**: how far does the leader get ahead of what it is worth, and how often does the lead change? Try the other
# draws.

# %%
lesson.dice_explorer()

# %% [markdown]
# If that is what nothing looks like, how does one show that a search found *something*?
#
# ## 1 · What is left of a search?
#
# A picture. The [supernet](../docs/glossary.md#supernet)'s weights were trained for all operations at
# once, so they go into the bin; so does its accuracy, which was that of the mixture. Only the cell stays:

# %%
record = lesson.Record.load()
cell = record.found[0]
genotype_figure(cell)

# %% [markdown]
# To know what the cell is worth, build a network of it and train that network *from scratch*
# ([final training](../docs/glossary.md#final-training)): new weights, no α, all training images. The
# learning rate falls along half a cosine, from η at the start to $\eta_{end}$ after all $T$ epochs:
#
# $$\eta_t = \eta_{end} + \tfrac12 (\eta - \eta_{end}) \left(1 + \cos(\pi t / T)\right)$$
#
# The package does it in [`Training`](dartsedu/train.py:Training). Here are the settings that matter, ours
# and the paper's for CIFAR-10:
#
# | | here | paper |
# |---|---|---|
# | cells in the stack, channels of the first | 3, 6 | 20, 36 |
# | epochs, batch | 4, 64 | 600, 96 |
# | η, and where it ends | 0.1, 0 | 0.025, 0 |
# | drop-path, cutout, auxiliary head | none | 0.2, 16 pixels, weight 0.4 |
#
# Train it, and test it on the 360 noisy digits of the test split:

# %% tags=["nbval-ignore-output"]
settings = record.settings
task = load_task(**settings.task.model_dump())
training = Training(build_network(cell, settings.train, task, seed=0), task, settings.train)
losses = [step.loss["training"] for step in training]
accuracy = training.test()
predict(
    "After four epochs, what share of the test digits does it get right?",
    round(100 * accuracy),
    lesson.loss_picture(losses, steps_an_epoch=22),
    unit=" %",
    near=4,
)

# %% [markdown]
# `training.test()` reads the test split: once, at the end, when nothing is left to choose.
#
# > **Takeaway.** The search's own accuracy is gone with its weights. What counts is one training from scratch, tested
# > once.
#
# ## 2 · Is it better than a random cell?
#
# Without that question the number means nothing. A cell drawn at random
# ([`random_genotype`](dartsedu/genotype.py:random_genotype)) from the same
# [space](../docs/glossary.md#search-space), the same network around it, the same training, the same seed.
# [`lesson.train`](dartsedu/lessons/scratch.py:train) does what you have just seen, and counts.

# %% tags=["nbval-ignore-output"]
from dartsedu import random_genotype

drawn = random_genotype(search_space(settings), 0)
live = lesson.train("random", drawn, cell=0, seed=0, settings=settings, task=task)
predict(
    "How many points is the found cell ahead of the random one (minus: behind)?",
    round(100 * (accuracy - live.accuracy), 1),
    f"Found {accuracy:.1%}, random {live.accuracy:.1%}.",
    unit=" points",
    near=1,
)

# %% [markdown]
# A number for each. Is the difference the search's doing? Before you believe it, look at a *record* of such trainings,
# which somebody made with the same settings. It has these two cells, the same two once more with another seed, and the
# next two cells. (The first lines compare it with what you have just trained.)

# %% tags=["nbval-ignore-output"]
print(lesson.beside(accuracy, record.of("found")[0]))
print(lesson.beside(live.accuracy, record.of("random")[0]))
again = [t for kind in ("found", "random") for t in record.of(kind, again=True)[:2]]
print(lesson.table([*record.of("found")[:2], *record.of("random")[:2], *again]))

# %% [markdown]
# Two kinds of luck are mixed in a single number: the **luck of the training** (the same cell, another
# seed) and the **luck of the cell** (another search, or another draw). To compare searching with drawing, you
# need several of each. (A third kind is small, and only for the record: other processors add up in another order, and
# the last digits differ. From here on all tables are the record's.)
#
# That takes longer than a class has, so it has been done:
# [`record_trainings.py`](source/record_trainings.py) searched with seeds 0 to 4, drew five random cells, and
# trained all of them with the settings above, twice. (The random cells once more for eight epochs, and DARTS v2
# for section 6.) The file carries the settings and the cells found.

# %%
scores = {kind: record.scores(kind) for kind in ("found", "random")}
lesson.groups_picture(scores)

# %% [markdown]
# > **Takeaway.** A single pair of networks shows luck: of the training, and of the cell. Repeat both.
#
# ## 3 · How far can a mean be trusted?
#
# The bars beside the dots are [confidence intervals](../docs/glossary.md#confidence-interval). From $n$
# scores with mean $\bar x$ and standard deviation $s$,
#
# $$\bar x \pm t_{n-1} \frac{s}{\sqrt n} \qquad s^2 = \frac{1}{n-1} \sum_i (x_i - \bar x)^2$$
#
# - $s / \sqrt n$ is the [standard error](../docs/glossary.md#standard-error): how far the *mean* would
#   wander from experiment to experiment. $s$ itself says how far *single networks* do.
# - $t_{n-1}$ is Student's factor. It pays for not knowing the true spread: 4.30 for three scores, 2.78 for
#   five, 1.96 for very many.
#
# In the package's lessons: [`interval`](dartsedu/lessons/intervals.py:interval).
#
# **Exercise 1.** Write it for an array of scores: return `(low, high)`.


# %% tags=["exercise"]
def interval(scores):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# `scores.std()` divides by n. For n − 1 there is an argument, `ddof`.
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# `stats.t.ppf(0.975, n - 1)`: 2.5 % are left on either side.
#
# </details>


# %% tags=["solution"]
def interval(scores):
    n = len(scores)
    half = stats.t.ppf(0.975, n - 1) * scores.std(ddof=1) / n**0.5
    return scores.mean() - half, scores.mean() + half


# %% tags=["check"]
checks.check_interval(interval)

# %% [markdown]
# From here on SciPy does it. What does "95 %" promise? Not that *this* interval holds the truth. It is a
# promise about the recipe: of many experiments, 95 in 100 give an interval that holds the true mean.
#
# Somebody has three seeds and uses 1.96 instead of Student's 4.30. Two thousand experiments with a known truth tell
# what that does:


# %%
def careless(scores):
    half = stats.norm.ppf(0.975) * scores.std(ddof=1) / len(scores) ** 0.5  # 1.96
    return scores.mean() - half, scores.mean() + half


held = {n: 100 * intervals.coverage(careless, n) for n in (3, 5, 10)}
student = 100 * intervals.coverage(intervals.interval, 3)
predict(
    "Of a hundred intervals with 1.96, made of three scores each, how many hold the truth?",
    round(held[3]),
    ", ".join(f"{n} scores: {share:.0f} %" for n, share in held.items())
    + f". Student's, with three scores: {student:.0f} %.",
    unit=" %",
    near=4,
)

# %% [markdown]
# **Explorer.** Two means are compared by the interval of their *difference*. If it holds zero, the
# figures are what one could get from two equally good kinds of cell. First look at "found − random" with five of
# each. Then *one thing to find:* "8 − 4 epochs, pairs" asks whether the random cells gain from twice the
# epochs. Add networks one by one, from two. Had you hoped for a result, where would you have stopped?

# %%
lesson.seeds_explorer(record)

# %% [markdown]
# *Found or drawn:* with five of each we cannot tell. (In [08](08_does_it_pay.ipynb) every cell of a small space is
# trained, and one can.) And two or three pairs look like proof that eight epochs
# are better; four or five do not. Adding networks *until* zero is out, and stopping there, is a way to fool
# yourself: the promise of 95 % holds for a number chosen beforehand.
#
# > **Takeaway.** An interval shrinks like $1/\sqrt n$: four times the networks for half the width. "Holds
# > zero" means *we cannot tell*, not *they are equal*.
#
# ## 4 · Pairs
#
# Each found cell was trained twice, with two seeds. Is one seed luckier than the other? (It should not be.) As
# two groups, the cells' own differences count as doubt: one of them is four or five points below the rest, both times. But
# the networks come in pairs, two of the same cell. Subtract first, and what is special about the cell is gone.
#
# **Exercise 2.** The interval of the mean of a − b, over pairs.


# %% tags=["exercise"]
def paired(a, b):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# One number for each pair. Then it is exercise 1.
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# How many numbers are left after subtracting, n or 2n?
#
# </details>


# %% tags=["solution"]
def paired(a, b):
    d = a - b
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
    return d.mean() - half, d.mean() + half


# %% tags=["check"]
checks.check_paired(paired)

# %%
twice = record.scores("found", again=True), record.scores("found")
epochs = record.scores("random", epochs=8), record.scores("random")
for name, (a, b) in {"found again − found": twice, "8 − 4 epochs": epochs}.items():
    print(f"{name}, two groups: {intervals.told(intervals.difference(a, b))}")
    print(f"{name}, pairs:      {intervals.told(intervals.difference(a, b, paired=True))}")

# %% [markdown]
# For the found cells the interval of the pairs is less than a third as wide. For the random cells, trained for four and for
# eight epochs, they say no more than the groups, rather less: these cells differ from each other no more than
# one of them does from seed to seed, so there is nothing to subtract. Pairs help when they share something
# that matters. (Found cell 3 and random cell 3 share a number, which is nothing.)
#
# Now the two intervals for the epochs disagree about zero. **Which one may you report?** The one you had decided
# on before you saw them. Whoever computes both and keeps the better one has chosen, and chosen by luck.
#
# > **Takeaway.** Subtract within pairs where they share something that matters, and decide on it beforehand.
#
# ## 5 · The luck of the test set
#
# All these networks were tested on the same 360 images. Other images would give other numbers. If a network
# is right with probability $p$, its score on $N$ images wanders by
#
# $$\sigma = \sqrt{p (1 - p) / N}$$
#
# At 88 % on 360 images that is 1.7 points; at 97 % on CIFAR-10's 10,000, 0.17. No number of seeds removes it.
# It matters most when you take the **best** of many
# ([`best_of`](dartsedu/lessons/scratch.py:best_of)): the best is better, and luckier.
#
# **Explorer.** Suppose all candidates are *equally good*. *One thing to find:* how many must you try on our
# test set to "improve" by three points? And on CIFAR-10, at 97 %, what does the best of 24 gain? (Taken as
# independent, which makes it the worst case: images that are hard for one cell are hard for others.)

# %%
lesson.best_explorer()

# %% [markdown]
# <details>
# <summary>What you should have found</summary>
#
# Eighteen equal candidates "improve" by three points on 360 images. On 10,000 images, at 97 %, the best of 24 gains a
# third of a point: as much as many papers report as progress.
#
# </details>
#
# So a choice is judged by data that had no part in it. The paper runs its search four times and picks the cell
# by *validation* accuracy after a short training (§3.2); the test set comes afterwards.
#
# **Exercise 3.** Candidates have a validation and a test score each. Return the score you may report for the
# one you choose.


# %% tags=["exercise"]
def report(validation, test):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Which of the two arrays may the choice look at?
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# `argmax` gives the place of the largest.
#
# </details>


# %% tags=["solution"]
def report(validation, test):
    return test[validation.argmax()]


# %% tags=["check"]
checks.check_report(report)

# %% [markdown]
# ## 6 · A famous cell on our task
#
# DARTS v2 is the cell of the paper's best CIFAR-10 network. Stacked like ours and trained like ours, on digits.
# It has four nodes instead of two. It is trained here once, and the record has it five times:

# %% tags=["nbval-ignore-output"]
live = lesson.train("darts-v2", PUBLISHED["darts-v2"], 0, 0, settings, task)
predict(
    f"Random cells score {scores['random'].mean():.0f} on average. And DARTS v2?",
    round(100 * live.accuracy),
    lesson.groups_picture({"darts-v2": record.scores("darts-v2"), "random": scores["random"]}),
    unit=" %",
    near=8,
)

# %%
eight = {kind: record.scores(kind, epochs=8) for kind in ("darts-v2", "random")}
four = intervals.difference(record.scores("darts-v2"), scores["random"])
print("4 epochs:", intervals.told(four))
print("8 epochs:", intervals.told(intervals.difference(*eight.values())))

# %% [markdown]
# Far worse, and zero is left out. Is DARTS v2 a bad cell? With twice the epochs, two thirds of the gap are gone.
# It has twice the nodes, about half the parameters of our random cells, and was made for 600
# epochs of other images. The interval speaks about this cell under this recipe. Cells do not come with their rank attached.
#
# > **Takeaway.** A cell is good or bad *for* a task, a size and a length of training.
#
# ## 7 · What it costs
#
# Accuracy without cost is half a result. [`multiply_adds`](dartsedu/spaces/classifier.py:multiply_adds) counts
# products of convolutions and linear layers for one image. On the published networks:

# %%
cell = PUBLISHED["darts-v2"]
cifar = CNNNetwork(cell)
imagenet = CNNNetwork(cell, classes=1000, channels=48, cells=14, stem="imagenet")
for network, size in ((cifar, 32), (imagenet, 224)):
    count = multiply_adds(network, (3, size, size))
    print(f"{size}×{size}: {network.size:,} parameters, {count / 1e6:.1f}M multiply-adds")

# %% [markdown]
# 3.3M and 4.7M parameters are the paper's figures. Its 574M multiply-adds for ImageNet do not come out, here or
# elsewhere; [most likely they belong to 50 channels](../docs/paper-and-code.md#multiply-adds), not to the 48 of
# the 4.7M parameters beside them. Recount what you compare.
#
# ## 8 · What may be concluded?
#
# An interval speaks about what was repeated, and about nothing else.
#
# | repeated | then it speaks about | not about |
# |---|---|---|
# | trainings of one cell | this cell, trained in this way | the search that found it |
# | searches, their cells trained | the cells that this search finds on these data | other data, more epochs |
# | random cells | the space | – |
# | nothing | one network | anything else |
#
# Now read the paper's Table 1: test error 2.76 ± 0.09 % for DARTS v2, 3.29 ± 0.15 % for random search, on
# CIFAR-10. The ± is over trainings: the authors' README speaks of ten runs of one cell and adds that a
# single run would be misleading. So the table says, with hardly a doubt, that *this cell* beats *that one*. It
# does not say how often a search finds such a cell. On that, others found less: repeated on Penn Treebank,
# random search with shared weights reached a test perplexity of 55.5 and DARTS 55.9 (Li and Talwalkar, 2019).
#
# > **Takeaway.** Say what was repeated, how often, what was chosen by what, and put random cells of the same
# > size beside it.
#
# ## 9 · To the paper's settings
#
# The same package, the preset `paper`: 8 cells of 4 nodes in the search, 20 in the network, CIFAR-10. How long
# would this machine take? One step with noise for images, times the number of images
# ([`seconds_an_image`](dartsedu/lessons/scratch.py:seconds_an_image)).

# %% tags=["nbval-ignore-output"]
images = {"search": 25_000 // 64 * 64 * 50, "train": 50_000 // 96 * 96 * 600}
days = {stage: count * lesson.seconds_an_image(stage) / 86400 for stage, count in images.items()}
predict(
    "For how many days would one core of this machine train the paper's network?",
    round(days["train"]),
    ", ".join(f"{stage}: {count:.0f} days of one core" for stage, count in days.items()),
    unit=" days",
    near=0.5 * days["train"],
)

# %% [markdown]
# That is for first order, and an order of magnitude: two images at a time are slow. The paper's second order
# takes five passes a step instead of two. What the authors report, on one GPU of 2018:
#
# | | GPU days |
# |---|---|
# | one search, first order (second order) | 0.4 (1.0) |
# | four searches, to choose from | 1.5 (4) |
# | choosing among the four | 1 |
# | training the chosen cell once | 1.5 |
#
# One second-order search of 19,500 steps in a day is 4.4 s a step. Ten trainings, for an interval, cost
# more than everything before them; that is why honest tables are rare. In a terminal on the machine with the GPU:
#
# ```sh
# dartsedu search --preset paper --out runs/paper
# dartsedu resume runs/paper
# dartsedu train runs/paper --set train.seeds=4 --set train.random_cells=4
# dartsedu train darts-v2 --preset paper --out runs/darts-v2
# dartsedu show runs/paper
# ```
#
# The second line is for after a stop or a crash: it goes on from the last checkpoint. The third trains the cell
# found four times and four random cells beside it, and writes `report.html` with the interval. Data sets are
# described in [data/README.md](../data/README.md). In a notebook, the same search live:
#
# ```python
# from dartsedu import Search, live, load_preset, load_task
# from dartsedu.spaces.build import build_supernet
#
# settings = load_preset("paper")
# task = load_task("cifar10")
# search = Search(build_supernet(settings, task, 0), task, settings.search, device="cuda")
# run = live(search)
# run
# ```
#
# A run of the terminal is replayed with `replay("runs/paper/recording.jsonl")`, while it grows or years later.
#
# No GPU was at hand where this lesson was written, so the recording below is **not** the paper's scale. It is
# larger than what you have seen: four nodes, so 14 [edges](../docs/glossary.md#edge) a cell, in five cells of 8
# channels. It was stopped after 228 of 308 steps, three quarters of an hour into a busy machine's time;
# `dartsedu resume` would go on from there.
#
# ```sh
# dartsedu search --preset classroom --set supernet.nodes=4 --set supernet.cells=5 --set supernet.channels=8 --set search.epochs=14
# ```
#
# *One thing to find:* with more nodes and channels, does the search decide? Follow the entropy of the normal
# cell from step 1 to 130, and from there to the end. And look at the ticks: how often does the cell change that
# would be kept?

# %% tags=["nbval-ignore-output"]
from dartsedu import replay

replay(lesson.LARGER, play=True)

# %% [markdown]
# The normal cell decides a little, down to 2.3 bits, and then less again, 2.6; the reduction cell hardly at all. At
# the end the genotype still changes at three steps of four, so the one you get depends on when you stop. *This larger
# search is not a more decided one.* What the paper's own length would show, only the paper's own length can tell.
#
# ## Recap
#
# - A search leaves a cell; what it is worth, only training from scratch tells.
# - One number is luck of the training, of the cell and of the test set together. Repeat what you want to speak about.
# - Student's interval with n − 1; pairs where they share something; a number of networks chosen beforehand.
# - Choose by one split, report by another.
# - Cost belongs in the table, and random cells too.
#
# ## Quiz

# %%
checks.QUIZ

# %% [markdown]
# ## Break it
#
# - Train the found cell with `seed=1`, `2`, `3` by `lesson.train`. Does your interval hold the record's mean?
# - Turn the leaderboard into a real one: 24 random cells by `lesson.train`, then the best of them once more with another
#   seed. How much of its lead is left?
# - Give DARTS v2 sixteen epochs: `settings.model_copy(update={"train": settings.train.model_copy(update={"epochs": 16})})`.
#   Does it overtake the random cells?
# - Compare the parameters in `record.of("found")` with the accuracies. Would you bet on the larger cell?
# - Record three rounds of your own: `python notebooks/source/record_trainings.py --cells 3 --out mine.json`.
#
# **Next:** [06 Recurrent cells](06_recurrent_cells.ipynb): the same search, on text.
