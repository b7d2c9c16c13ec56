"""The people behind the traffic, and what they and the shop say: everything follows from a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from ...wire import messages
from .sources import MIX, WHATSAPP, Source

REGULARS, LEADS = 180, 20
"""People who write by themselves, and people to whom a manager writes first."""
MANAGERS = ("Maria Silva", "Tom Becker")
"""Of a new sandbox. For a name that it does not know its first user stands in."""

_NAMES = """
en: Emma Liam Aisha Oliver Ngozi Siobhán Priya Mei: Smith O'Brien Patel Okafor Nguyễn Kowalski
es: María José Lucía Andrés Sofía Joaquín Valeria Íñigo: García Núñez Peña Muñoz Ibáñez Gutiérrez
pt: João Inês Thiago Conceição Luísa Antônio: Gonçalves Araújo Magalhães Simões
fr: Chloé François Élodie Noël Zoé: Lefèvre Bérenger Dubois
de: Jürgen Käthe Lena Björn Anneliese: Müller Schröder Weiß Vogt
pl: Łukasz Zofia Agnieszka: Wójcik Nowak Zając
ru: Анна Дмитрий Ольга Сергей Ирина: Коваленко Шевченко Ткаченко Бондаренко
ar: محمد فاطمة يوسف ليلى: الحداد النجار منصور
ja: 佐藤 鈴木 高橋 田中: 陽菜 蓮 結衣 大翔
"""
# Numbers that the authorities of three countries keep free for fiction.
_PHONES = ("+1212555{:04}", "+1415555{:04}", "+447700900{:03}", "+33639980{:03}")
_ITEMS = ("city bike", "child seat", "trail helmet", "rain jacket", "folding lock", "front light")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
# A line begins with < when the client says it, and with > when the shop does.
_SCRIPT = """
en < Hi, do you still have the {item} from the window? > Hello {first}, two are left. Shall I put one aside?
   < Yes please! < I can come on {day} after work > It is at the counter under your name. See you on {day}!
en < Good morning, my rear brake squeaks. Can you look at it this week? > Good morning {first}! Bring it on {day} before
   noon and you have it back the same evening. < [picture] This is how the pad looks > New pads are {price} € with
   fitting. < Fine, please go ahead > Will do.
en < Is my bike ready? < The blue one with the basket > Let me ask the workshop. > It is ready, {first}: {price} € in
   all. < Perfect, I am on my way > See you soon!
en < I would like to rent two bikes for {day} > Happy to! Which sizes, and from when to when? < 1.70 m and 1.82 m
   < From ten to five > Booked for {day}, 10:00 to 17:00: {price} €. < [voice] > I have added the child trailer, too.
en < Can I still change my order? I took the {item} in the wrong size > Of course. Which size do you need?
   < L instead of M > [file] Changed, here is the new confirmation.
en < The {item} came with a scratch < [picture] < [picture] You see it best here > I am sorry, {first}. We can send a
   new one or take {price} € off. < Taking something off is fine > The money is on its way to you.
en < Where is my parcel? It should have come on {day} > Sorry about that, {first}. The carrier promises tomorrow.
   < Ok, thank you for checking > You are welcome. Write to me if it is not there by noon.
en < Do you repair e-bikes too? > All but the very old motors. Which one is yours? < [picture] It says 2019 on the frame
   > No problem. Shall I book you in for {day}? < Yes, 9 o'clock if possible > {day} at 9:00 it is.
en < How much is a full service? > {price} € with cleaning, gears and brakes. < And how long does it take?
   > Two working days. < I will drop it off on {day} then > Great, we keep a stand free.
en < I think I left my gloves in your shop > What colour are they? < Grey, with a hole in the left thumb 🙂 > Found
   them! They are at the counter.
en < My appointment is on {day}, can we move it by an hour? > Yes. 11:00 instead of 10:00? < Perfect > Moved.
en < Could I have the invoice for the {item}? < It is for the insurance > [file] Here it is, {first}.
   < That was fast! > With pleasure.
en < Flat tyre, can somebody help me? < [location] > You are two streets away, {first}. We do it at once.
en < [video] Do you hear that noise? > That is the bottom bracket: {price} € and one day. < Ok, book me in please
   > You are booked for {day}.
en > Hello, the {item} you asked for has come in. < Great, I will come by on {day} > [picture] Here it is. See you!
en > Hello! Your bike is ready. < Thanks, how much is it? > {price} €, card or cash. < See you later > Until later!
en > A short reminder of your appointment on {day} at 9:00. Please answer if it does not suit you.
es < Hola, ¿arreglan pinchazos? > ¡Hola {first}! Sí, en veinte minutos. < ¡Qué bien! < Voy para allá > ¡Te esperamos!
es < Buenos días, ¿cuánto cuesta alquilar una bici por un día? > {price} € con casco y candado. < ¿Puedo reservar una
   para mañana? > Reservada a tu nombre, {first}. ¡Hasta mañana!
pt < Olá, a minha bicicleta já está pronta? > Olá {first}, fica pronta hoje às 17h. < Ótimo, até logo > Até logo!
fr < Bonjour, est-ce que mon vélo est prêt ? > Bonjour {first}, oui. < Super, je passe à midi > À tout à l'heure !
de < Guten Tag, haben Sie noch Kindersitze? > Guten Tag {first}, ja, ab {price} €. < [picture] Passt einer an dieses
   Rad? > Der kleinere passt. < Danke, ich komme vorbei > Sehr gern!
ru < Здравствуйте, сколько стоит замена цепи? > Здравствуйте, {first}! {price} € с работой. < Привезу завтра > Ждём!
ar < مرحبا، هل دراجتي جاهزة؟ > مرحبا {first}، نعم، وهي في انتظارك. < شكرا جزيلا > على الرحب والسعة!
ja < こんにちは。パンク修理はいくらですか？ > こんにちは、{first}様。{price} €です。 < 明日行きます > お待ちします。
"""
Line = tuple[str, str, str]
"""The side, `<` or `>`; the kind, "" for a text; the text."""
_TALKS: list[tuple[str, list[Line]]] = [
    (talk[:2], re.findall(r"([<>]) (?:\[(\w+)\] ?)?([^<>]*)", " ".join(talk.split())))
    for talk in re.split(r"\n(?=\w)", _SCRIPT.strip())
]
AWAY = "Thank you for your message! We are here Monday to Saturday from 9 to 18, and will answer first thing."
HERE = "Thank you for your message! Somebody will be with you in a moment."
FAILURES = ((901, None), (902, None), (903, None), (904, None), (905, "The recipient has blocked this number"))
_FILES = {"picture": "photo.jpg", "file": "document.pdf", "voice": "voice.ogg", "video": "video.mp4"}
_MEDIA = {each.type: each for each in (messages.Picture, messages.File, messages.Voice, messages.Video)}


@dataclass
class Customer:
    """Somebody who talks with the shop, in one chat of their own, and what about, in turn."""

    person: messages.Person
    conversation_id: str
    source: Source
    script: list[list[Line]]


def customers(seed: int) -> list[Customer]:
    """The people of a seed: those who write by themselves, then the leads."""
    names, rng, found = [], random.Random(seed), []
    for line in _NAMES.strip().splitlines():
        language, first, last = line.split(": ")
        names += [(language, " ".join(name)) for name in product(first.split(), last.split())]
    for n, (language, name) in enumerate(rng.sample(names, REGULARS + LEADS)):
        phone = _PHONES[n % len(_PHONES)].format(100 + n // len(_PHONES))
        side = "<" if n < REGULARS else ">"
        talks = [talk for talk in _TALKS if talk[0] in (language, "en") and talk[1][0][0] == side]
        rng.shuffle(talks)
        script = [lines for _, lines in sorted(talks, key=lambda talk: talk[0] == "en")]  # their own language first
        source = MIX[n % len(MIX)] if side == "<" else WHATSAPP
        found.append(Customer(messages.Person(id=f"client-{n}", name=name, phone=phone), f"chat-{n}", source, script))
    return found


@dataclass
class Talk:
    """One conversation: who takes part, what will be said, and the last message of each side."""

    who: Customer
    manager: str
    lines: list[Line]
    ids: dict[str, str] = field(default_factory=dict)

    def quoted(self, side: str, rng: random.Random) -> messages.Quoted | None:
        """That side's last message, now and then."""
        return messages.Quoted(id=self.ids[side]) if side in self.ids and rng.random() < 0.06 else None


def new_talk(who: Customer, managers: Sequence[str], rng: random.Random) -> Talk:
    """Somebody's next conversation; none comes again before all others."""
    lines = who.script.pop(0)
    who.script.append(lines)
    words = {"first": (who.person.name or "").split()[0], "price": rng.randrange(9, 90)}
    words |= {"item": rng.choice(_ITEMS), "day": rng.choice(_DAYS)}
    said = [(side, kind, text.strip().format(**words)) for side, kind, text in lines]
    return Talk(who, rng.choice(managers), said)


def file_of(kind: str, rng: random.Random) -> dict[str, Any]:
    """A file of that kind, as an attachment has it; nothing is behind the address."""
    name = _FILES[kind]
    media = f"https://files.example/{rng.getrandbits(32):08x}/{name}"
    return {"media": media, "file_name": name, "file_size": rng.randrange(20_000, 2_000_000)}


def message_of(kind: str, text: str, rng: random.Random) -> messages.Message:
    """A line as the client's message."""
    if kind == "location":
        return messages.Location(lon=-0.1276, lat=51.5072)
    return _MEDIA[kind](**file_of(kind, rng), text=text or None) if kind else messages.Text(text)
