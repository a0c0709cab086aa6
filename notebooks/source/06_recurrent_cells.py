# %% [markdown]
# # 06 Recurrent cells
#
# *45 minutes. One search and two trainings, seconds each; everything runs on a laptop's CPU.*
#
# **You will be able to**
#
# - say what [perplexity](../docs/glossary.md#perplexity) measures, and what counting words gives
# - write a node of a recurrent cell, discrete and mixed
# - search such a cell on a text, and read its graph
# - say how far "better than random cells" is from "one run was better"
#
# **You need** [01](01_continuous_relaxation.ipynb) (the mixed operation) and
# [03](03_search_a_cell.ipynb) (the live view).

# %%
import torch

from dartsedu import PUBLISHED, Recording, live, replay
from dartsedu.lessons import recurrent as lesson
from dartsedu.lessons import recurrent_checks as checks
from dartsedu.lessons.guess import predict
from dartsedu.lessons.intervals import difference, told

torch.set_num_threads(1)

# %% [markdown]
# ## A cell that reads
#
# A search on text, recorded: four [nodes](../docs/glossary.md#node), each with five operations on every edge, are
# mixed while the network learns to tell the next word. It plays by itself. You need not understand the picture yet; by the
# end of the lesson you will read every line of it.
#
# **One thing to find:** which operation leads in the end, and from which step on? Does the loss show it?

# %% tags=["nbval-ignore-output"]
replay(lesson.SEARCH, play=True)

# %% [markdown]
# ## How well is a text told?
#
# A language model reads words and tells how likely each next word is. What it read above are the
# texts behind Python's `help()`. The thousand most frequent words are
# known, rarer ones are `<unk>`, and `<eos>` ends a paragraph.

# %%
task = lesson.load_text("pydoc")
print(" ".join(task.words[number] for number in task.weights.words[1000:1060]))
print({name: len(getattr(task, name)) for name in ("weights", "architecture", "test")})

# %% [markdown]
# Suppose the model gave the words that really came the probabilities $p_1, \dots, p_T$. Its loss is the
# mean of $-\ln p_t$. Perplexity undoes the logarithm:
#
# $$\text{perplexity} = \exp\Big(\frac1T \sum_{t=1}^{T} -\ln p_t\Big)$$
#
# $T$ is the number of words. In the code: [`perplexity`](dartsedu/base/yardstick.py:perplexity).
#
# **Exercise 1.** Write it for a tensor of probabilities.


# %% tags=["exercise"]
def perplexity(p):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# From the inside out: logarithm, sign, mean, exp.
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# `p.log()` is the natural logarithm of every entry.
#
# </details>


# %% tags=["solution"]
def perplexity(p):
    return (-p.log().mean()).exp()


# %% tags=["check"]
checks.check_perplexity(perplexity)

# %% [markdown]
# Among a thousand words, somebody who knows nothing has perplexity 1000. Somebody who only knows how frequent each word
# is (*unigram*) has less, and somebody who also knows which words follow which (*bigram*) less still.

# %%
lines = lesson.references(task)
predict(
    "Which perplexity has somebody who counts pairs of words, a bigram model?",
    round(lines["bigram"], 1),
    ", ".join(f"{name} {value:.1f}" for name, value in lines.items()),
    near=20,
)

# %% [markdown]
# These two need no network at all: [`bigram_loss`](dartsedu/data/ngrams.py:bigram_loss) counts pairs.
#
# > **Takeaway.** Perplexity is among how many words one wavers. A language model that does not beat counting has not
# > learnt to read.
#
# ## Why a cell that remembers?
#
# On real text nobody knows how good a model could be. So here is a second text, written by dice, from a
# [grammar](../docs/glossary.md#grammar) whose entropy can be computed:

# %%
grammar = lesson.load_text("grammar")
print(" ".join(grammar.words[number] for number in grammar.weights.words[:50]))
print({name: round(value, 2) for name, value in lesson.references(grammar).items()})

# %% [markdown]
# A verb agrees with *its* noun, not with the noun next to it: "the **dog** that the cats see **sleeps**".
# Pairs of words cannot tell. The *floor* is the perplexity of somebody who knows the grammar itself,
# [`entropy_rate`](dartsedu/data/grammar.py:Grammar.entropy_rate) through exp. Nobody can go lower, in the
# long run.
#
# What is needed is a **state** $h_t$ that is carried from word to word. If a state is replaced at every
# word, what was in it is soon gone. So a *gate* decides how much to replace:

# %%
lesson.memory_explorer()

# %% [markdown]
# The strong lines are a word that left a 1 in the state, the pale ones a word that left 0.3. **Two things to find:** the
# gate $c$ at which half of a word is left after ten others; and a $w$ for which the state without a gate does the same.
# What does that $w$ do with the two words?
#
# <details>
# <summary>What you should have found</summary>
#
# 1. Between −2.75 and −2.5. The share kept is $(1 - \sigma(c))^{10}$; it is one half at $c = -2.63$.
# 2. With $w = 1.1$ about half is left, too. But of *both* words: above $w = 1$ the state goes to a place of its own,
#    whatever the word was, and stays there. With $w = 1.5$ both have become 0.86 after ten words. That is no memory.
#    With $w$ of 1 or less everything fades.
#
# </details>
#
# > **Takeaway.** A gate that is nearly closed remembers, and keeps words apart. It is computed from the text, so a
# > network can learn when to open it.
#
# ## What is in the cell?
#
# The cell makes its first state from the word $x_t$ and the state $h_{t-1}$. Then come
# [nodes](../docs/glossary.md#node), each with one predecessor; the mean of all nodes is $h_t$. This is
# the cell that the paper found on Penn Treebank:

# %%
from dartsedu.show.cell_graph import genotype_figure

genotype_figure(PUBLISHED["darts-rnn-v2"])

# %% [markdown]
# On every [edge](../docs/glossary.md#edge) stands an activation $f$: tanh, relu, sigmoid or identity. But
# the edge does more than apply it. It is a gated step, a [highway](../docs/glossary.md#highway):
#
# $$[c, v] = s\,W, \qquad \text{edge}(s) = s + \sigma(c) \odot (f(v) - s)$$
#
# $s$ is the predecessor's state, $W$ the matrix of the node, twice as wide as the state: its first half
# gives the gate $c$, its second half the value $v$. In the code: [`gated`](dartsedu/spaces/rnn/operations.py:gated).
#
# **Exercise 2.** Write it. `state` has the shape (columns of text, H), `weight` (H, 2H); `activation` is a
# function such as `torch.tanh`.


# %% tags=["exercise"]
def edge(state, weight, activation):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# `(state @ weight).chunk(2, dim=-1)` gives both halves.
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# Try two cases in your head. Gate far below zero: the state must come out as it went in. Gate far above
# zero: only `activation(value)` must come out.
#
# </details>


# %% tags=["solution"]
def edge(state, weight, activation):
    gate, value = (state @ weight).chunk(2, dim=-1)
    return state + torch.sigmoid(gate) * (activation(value) - state)


# %% tags=["check"]
checks.check_edge(edge)

# %% [markdown]
# > **Takeaway.** A node is one gated step; the search chooses from which state, and with which activation.
#
# ## How is it mixed?
#
# In the [supernet](../docs/glossary.md#supernet) a node hears **all** earlier states, through all
# activations at once. There is a fifth [primitive](../docs/glossary.md#primitive), *none*, which gives
# zero:
#
# $$s_j = \sum_{i<j}\; \sum_{f \ne \text{none}} p^{(i,j)}_f \big(s_i + \sigma(c_i) \odot (f(v_i) - s_i)\big)$$
#
# $p^{(i,j)}$ is the softmax of the edge's α over all five. All edges into node $j$ share its matrix
# $W_j$. In the code: [`MixedCell`](dartsedu/spaces/rnn/supernet.py:MixedCell).
#
# **Exercise 3.** Write the node. `states` is a list, `shares` has a row for each state, in the order none,
# tanh, relu, sigmoid, identity. Use `edge` from above (here is the package's).

# %%
edge = lesson.edge
functions = [torch.tanh, torch.relu, torch.sigmoid, lambda v: v]


# %% tags=["exercise"]
def mixed_node(states, weight, shares):
    return ...


# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Two loops, one over pairs of state and row, one over pairs of share and function.
#
# </details>
# <details>
# <summary>Hint 2</summary>
#
# The first number of a row is the share of none. It adds nothing, so leave it out: `row[1:]`.
#
# </details>


# %% tags=["solution"]
def mixed_node(states, weight, shares):
    total = torch.zeros_like(states[0])
    for state, row in zip(states, shares):
        for share, f in zip(row[1:], functions):
            total = total + share * edge(state, weight, f)
    return total


# %% tags=["check"]
checks.check_mixed_node(mixed_node)

# %% [markdown]
# The package's cell normalises every state (BatchNorm); without it sums of sums grow, and a deep mixed
# cell hardly trains. The discrete cell does without.
#
# How many cells are there? With three nodes, node 1 has one state to choose from, node 2 has two, node 3 three, and each
# edge has one of four activations.

# %%
from math import factorial

cells = {nodes: factorial(nodes) * 4**nodes for nodes in (3, 4, 8)}
predict(
    "How many cells of three nodes?",
    cells[3],
    "; ".join(f"{nodes} nodes: {count:,}" for nodes, count in cells.items()),
    near=50,
)

# %% [markdown]
# > **Takeaway.** A mixed node adds what all earlier states and all activations say; *none* says nothing and has its
# > share.
#
# ## What does a search find?
#
# Back to the search that you saw at the top: four nodes, 64 numbers in a state, four passes over the text. α are
# trained on the `architecture` split, w on `weights`, as always. Here are the mean share of each operation, and
# the loss; above them what the cells keep that three such searches found, with three seeds:

# %%
print(lesson.kept_primitives())
lesson.leaders_picture(Recording.load(lesson.SEARCH))

# %% [markdown]
# The lead changes several times; the loss shows nothing of it. And it is no accident of the seed.
# Remember the warning about skip connections in lesson 03: an operation that hands on what came in is easy to mix.
#
# > **Takeaway.** What leads in the mixture need not make the best cell when it stands alone.
#
# Now one of your own, in short: three nodes, 32 numbers in a state, one pass over the
# text. Press **Play**. The first state is called $x_t, h_{t-1}$. Which nodes listen to it at the end?

# %% tags=["nbval-ignore-output"]
search = lesson.text_search(task, seed=0)
run = live(search, speed=12)
run

# %% tags=["nbval-ignore-output"]
await run.finished()
found = search.supernet.genotype()
print([f"{edge.primitive} of state {edge.source}" for state, edge in found["recurrent"].edges])
lesson.search_picture(run.recording.steps, lines)

# %% [markdown]
# The view shows the loss itself, here is exp of it, with the lines to beat. How much has it learnt in one pass?
# α have moved all the same, on gradients that know little else yet.
#
# ## Is it any good?
#
# A cell is judged as in lesson 03: cut out, trained from scratch, tested on text that nothing was chosen
# on. Here is the cell of your short search after three passes, and how it writes, a word at a time, each drawn from
# what it expects:

# %% tags=["nbval-ignore-output"]
training = lesson.text_training(found, task)
steps, end = list(training), task.words.index("<eos>")
print(" ".join(task.words[word] for word in training.network.write(end, 60, seed=1)))
lesson.training_picture(steps, lines)

# %% [markdown]
# The preset's six passes take longer than a lesson should, so here they are recorded. Every dot is a network trained
# from scratch: the cells of three searches with the whole preset, random
# cells of the same size, LSTMs with as many parameters, and the cell that the paper found on Penn
# Treebank, moved to this text. Beside the dots: means, with the intervals of lesson 05.

# %%
scores = lesson.scores("pydoc")
for other in ("found", "LSTM"):
    between = difference(scores[other], scores["random"])
    print(f"{other} − random: {told(between, 'in perplexity')}")
lesson.perplexities_picture("pydoc")

# %% [markdown]
# All are far below the bigram line. Found and random cells cannot be told apart. The LSTMs are better than
# both; people have worked on that cell for decades. (Two of them, so their own interval is as wide as it is.) The
# published cell, with twice as many nodes, is one dot,
# so nothing can be said about it.
#
# Had you trained *one* network of each kind, how often would the search have looked better than chance? **Guess**, then
# read it below the title. Then plan: if means and spread stay as they are, so many networks of each would give
# this interval.

# %%
lesson.plan_explorer("pydoc")

# %% [markdown]
# **Two things to find:** how many of each it takes to tell found from random, and how many for LSTM and random.
#
# <details>
# <summary>What you should have found</summary>
#
# Twenty of each, and four. The difference that was measured is itself uncertain, so this is a plan and no
# promise: it may take far more, or the other kind may turn out the better.
#
# </details>
#
# > **Takeaway.** One network of each says next to nothing. Decide on the number before you look.
#
# ## How far from the floor?
#
# On the grammar it is known what is left to learn. Here is a cell that was found on Python's
# documentation, moved to the grammar: three passes again.

# %% tags=["nbval-ignore-output"]
moved = lesson.text_training(lesson.found_cells()[0], grammar, 0, *lesson.ON_GRAMMAR)
known = lesson.references(grammar)
picture = lesson.training_picture(list(moved), known)
predict(
    "On which side of the bigram line does it end after three passes?",
    "below" if "below bigram" in picture.alt else "above",
    picture,
    among=("below", "above"),
)

# %% [markdown]
# > **Takeaway.** Only where the floor is known can one say how much is left to learn.
#
# ## What the paper says itself
#
# The paper moves its cell from Penn Treebank to WikiText-2. On Penn Treebank its Table 2 has 55.7 for the
# cell of second order and 59.4 for random search. It remarks that random search is competitive, and takes
# that as a sign of how much the design of the space matters. Li and Talwalkar (2019) went on from there:
# random search with shared weights was as good as DARTS on that text.
#
# So read a table of results like this:
#
# - What do random cells of the *same space* reach, with the *same* training?
# - How far apart are two networks of one cell, and how many were trained?
# - Was anything chosen on the text it is judged on?
#
# [What the presets take from paper and code](../docs/paper-and-code.md#recurrent-cells) is a table of its
# own.
#
# ## Recap
#
# - Perplexity is exp of the loss: among how many words a model wavers. Counting gives lines to beat, a
#   grammar gives a floor.
# - An edge of a recurrent cell is a gated step; the gate lets a state last.
# - A mixed node adds all predecessors and activations; *none* gives zero but has its share.
# - The search runs as for images. Whether its cell beats random ones is a question for several seeds.
#
# ## Quiz

# %%
checks.QUIZ

# %% [markdown]
# ## Break it
#
# - Search on the grammar: `lesson.text_search(grammar)`. Does the cell listen more to earlier states?
# - Leave out an activation: add the change `'supernet.primitives=["none", "tanh", "relu"]'`. What leads?
# - Give the moved cell six passes, as the preset has it: `lesson.text_training(lesson.found_cells()[0], grammar, 0,
#   *lesson.ON_GRAMMAR, "train.epochs=6")`. Does it get below the bigram line now?
# - Start `lesson.text_search(task, 1)`. How many edges do the two cells have in common? (Lesson 03's
#   `shared_edges` counts them.)
# - The whole thing in a terminal: `dartsedu search --preset rnn-classroom --out runs/text`, then
#   `dartsedu train runs/text`. The report has samples of what every network writes.
#
# **Next:** [07 Discovering equations](07_discovering_equations.ipynb): the same search, for a law that explains data.
