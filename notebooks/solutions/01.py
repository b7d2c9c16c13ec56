# Lesson 01: item 12 takes the emoji in one string, with nothing between them.
form.fill(reactions="👍❤")
