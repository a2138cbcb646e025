//! The rules: who is where, what may be said, and what there is to tell. No socket, no clock, no lock.

use std::collections::BTreeMap;
use std::time::Duration;

use due::Sender;

use crate::v1::steer_request::Course;
use crate::v1::{Caught, Heading, Joined, Left, Move, Moved, Player, Point, Refusal, Said, Scene, Spark};

/// Width and height of the board.
const SIDE: f32 = 1000.0;
/// How far from its edges things appear.
const MARGIN: f32 = 60.0;
/// Full speed, per second.
const SPEED: f32 = 340.0;
/// A player this close to a spark has it.
const REACH: f32 = 40.0;
const SPARKS: u32 = 4;
/// The length of a [`Heading`] that is full speed.
const FULL: f32 = 100.0;
/// What a stalled server moves people at most, when it comes to itself.
const LONGEST_STEP: Duration = Duration::from_millis(250);

const MAX_PLAYERS: usize = 32;
const MAX_NAME: usize = 16;
const MAX_KEY: usize = 32;
const MAX_TEXT: usize = 200;
/// On average so much time is between two messages of one player.
const SAY_EVERY: Duration = Duration::from_secs(1);
/// But so many may come at once.
const SAY_BURST: u32 = 5;

/// The board and everybody on it.
#[derive(Debug)]
pub struct World {
    seats: BTreeMap<u32, Seat>,
    sparks: Vec<(f32, f32)>,
    /// Since the last tick.
    news: Vec<News>,
    /// Who has not seen anything yet.
    newcomers: Vec<u32>,
    clock: Duration,
    last_id: u32,
    dice: Dice,
}

/// What there is to tell.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the messages are documented in the proto")]
pub enum News {
    /// To this player alone.
    Scene(u32, Scene),
    Joined(Joined),
    Left(Left),
    Moved(Moved),
    Said(Said),
    Caught(Caught),
}

#[derive(Debug)]
struct Seat {
    session: Sender,
    name: String,
    key: Vec<u8>,
    /// Whether the others know.
    announced: bool,
    at: (f32, f32),
    shown: Point,
    course: Option<Course>,
    score: u32,
    /// The next message is due then; earlier ones use up the burst.
    next_say: Duration,
}

impl World {
    /// An empty board. The same seed gives the same places.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        Self {
            seats: BTreeMap::new(),
            sparks: (0..SPARKS).map(|_| dice.place()).collect(),
            news: Vec::new(),
            newcomers: Vec::new(),
            clock: Duration::ZERO,
            last_id: 0,
            dice,
        }
    }

    /// Gives a session a player: id and name. Nobody hears of it before it has [entered](Self::enter).
    pub fn join(&mut self, session: Sender, name: &str, key: &[u8]) -> Result<(u32, String), Refusal> {
        let name = tidy_name(name)?;
        if key.len() > MAX_KEY {
            return Err(Refusal::BadKey);
        }
        let left_behind = self.seats.iter_mut().find(|(_, seat)| !key.is_empty() && seat.key == key);
        if let Some((&id, seat)) = left_behind {
            seat.session = session;
            seat.course = None;
            return Ok((id, seat.name.clone()));
        }
        if self.seats.len() >= MAX_PLAYERS {
            return Err(Refusal::Full);
        }
        let name = self.unused(&name);
        self.last_id = self.last_id.wrapping_add(1).max(1);
        let at = self.dice.place();
        let seat = Seat {
            session,
            name: name.clone(),
            key: key.to_vec(),
            announced: false,
            at,
            shown: point(at),
            course: None,
            score: 0,
            next_say: self.clock,
        };
        self.seats.insert(self.last_id, seat);
        Ok((self.last_id, name))
    }

    /// Shows everything to a player who can be reached from now on, and the player to everybody.
    pub fn enter(&mut self, id: u32) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if !std::mem::replace(&mut seat.announced, true) {
            self.news.push(News::Joined(Joined { player: Some(seat.player(id)) }));
        }
        self.newcomers.push(id);
    }

    /// A session has ended; what happens to its player unless another session has taken the place.
    pub fn leave(&mut self, id: u32, session: &Sender) {
        if self.seats.get(&id).is_none_or(|seat| seat.session != *session) {
            return;
        }
        if self.seats.remove(&id).is_some_and(|seat| seat.announced) {
            self.news.push(News::Left(Left { id }));
        }
    }

    /// Changes where a player goes. Whatever is asked for is on the board and no faster than others.
    pub fn steer(&mut self, id: u32, course: Option<Course>) {
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.course = course;
        }
    }

    /// Says something to everybody.
    pub fn say(&mut self, id: u32, text: &str) -> Result<(), Refusal> {
        let text = text.trim();
        if !(1..=MAX_TEXT).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            return Err(Refusal::BadText);
        }
        let Some(seat) = self.seats.get_mut(&id) else { return Ok(()) };
        let due = seat.next_say.max(self.clock);
        if due - self.clock > SAY_EVERY * (SAY_BURST - 1) {
            return Err(Refusal::TooFast);
        }
        seat.next_say = due + SAY_EVERY;
        self.news.push(News::Said(Said { id, text: text.to_owned() }));
        Ok(())
    }

    /// Time passes: moves everybody, and returns what there is to tell since the last time, in order.
    pub fn tick(&mut self, elapsed: Duration) -> Vec<News> {
        self.clock += elapsed;
        let step = SPEED * elapsed.min(LONGEST_STEP).as_secs_f32();
        let moves: Vec<Move> = self.seats.iter_mut().filter_map(|(&id, seat)| seat.advance(id, step)).collect();
        let mut news = std::mem::take(&mut self.news);
        if !moves.is_empty() {
            news.push(News::Moved(Moved { moves }));
        }
        for spark in 0..self.sparks.len() {
            news.extend(self.catch(spark).map(News::Caught));
        }
        // First, so that what follows adds to it. Some of it is in the scene already, and changes nothing.
        let newcomers = std::mem::take(&mut self.newcomers);
        news.splice(0..0, newcomers.into_iter().map(|id| News::Scene(id, self.scene())));
        news
    }

    fn scene(&self) -> Scene {
        let seats = self.seats.iter().filter(|(_, seat)| seat.announced);
        Scene {
            players: seats.map(|(&id, seat)| seat.player(id)).collect(),
            sparks: (0..).zip(&self.sparks).map(|(id, &at)| Spark { id, at: Some(point(at)) }).collect(),
        }
    }

    /// The nearest player has it, if it is in reach.
    fn catch(&mut self, spark: usize) -> Option<Caught> {
        let at = self.sparks[spark];
        let distances = self.seats.iter_mut().map(|(&id, seat)| (distance(seat.at, at), id, seat));
        let (_, id, seat) = distances.filter(|(far, ..)| *far <= REACH).min_by(|a, b| a.0.total_cmp(&b.0))?;
        seat.score += 1;
        let score = seat.score;
        let at = self.dice.place();
        self.sparks[spark] = at;
        Some(Caught { id, score, spark: Some(Spark { id: spark as u32, at: Some(point(at)) }) })
    }

    /// The name itself, or the first of `name 2`, `name 3`... that nobody has.
    fn unused(&self, name: &str) -> String {
        let taken = |name: &str| self.seats.values().any(|seat| seat.name.to_lowercase() == name.to_lowercase());
        if !taken(name) {
            return name.to_owned();
        }
        let numbered = |number: usize| {
            let number = format!(" {number}");
            let kept: String = name.chars().take(MAX_NAME - number.len()).collect();
            kept.trim_end().to_owned() + &number
        };
        (2..).map(numbered).find(|name| !taken(name)).expect("there are more numbers than players")
    }
}

impl Seat {
    fn player(&self, id: u32) -> Player {
        // Multiples of the golden angle are far from each other.
        let hue = (f64::from(id) * 137.508 % 360.0) as u32;
        Player { id, name: self.name.clone(), hue, at: Some(self.shown), score: self.score }
    }

    fn advance(&mut self, id: u32, step: f32) -> Option<Move> {
        let (x, y) = self.at;
        match self.course? {
            Course::Target(target) => {
                let target = (on_board(target.x as f32), on_board(target.y as f32));
                let far = distance(self.at, target);
                if far <= step {
                    (self.at, self.course) = (target, None);
                } else {
                    let part = step / far;
                    self.at = (x + (target.0 - x) * part, y + (target.1 - y) * part);
                }
            }
            Course::Heading(Heading { x: right, y: down }) => {
                let (right, down) = (right as f32, down as f32);
                let part = step / right.hypot(down).max(FULL);
                self.at = (on_board(x + right * part), on_board(y + down * part));
            }
        }
        let shown = point(self.at);
        let moved = shown != self.shown;
        self.shown = shown;
        moved.then_some(Move { id, at: Some(shown) })
    }
}

/// The text that goes with a refusal.
impl From<Refusal> for due::Error {
    fn from(refusal: Refusal) -> Self {
        let text = match refusal {
            Refusal::None => "",
            Refusal::BadName => "A name has 1 to 16 characters.",
            Refusal::Full => "The arena is full. Somebody will leave soon.",
            Refusal::AlreadyIn => "You are in already.",
            Refusal::BadText => "A message has 1 to 200 characters.",
            Refusal::TooFast => "Not so fast: one message a second.",
            Refusal::BadKey => "The key is too long.",
        };
        Self::new(refusal as i32, text)
    }
}

fn tidy_name(name: &str) -> Result<String, Refusal> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let fits = (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(is_unseen);
    // Between two characters the joiners of Persian and of emoji are seen.
    let stands = !name.starts_with(JOINERS) && !name.ends_with(JOINERS);
    if fits && stands { Ok(name) } else { Err(Refusal::BadName) }
}

const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

/// Control characters, and those by which two names could look the same.
fn is_unseen(c: char) -> bool {
    let formats = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || formats && !JOINERS.contains(&c)
}

fn on_board(position: f32) -> f32 {
    position.clamp(0.0, SIDE)
}

fn point((x, y): (f32, f32)) -> Point {
    Point { x: x.round() as i32, y: y.round() as i32 }
}

fn distance(a: (f32, f32), b: (f32, f32)) -> f32 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// SplitMix64: places need to look random, no more.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn place(&mut self) -> (f32, f32) {
        (self.coordinate(), self.coordinate())
    }

    fn coordinate(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1 << 24) as f32;
        MARGIN + part * (SIDE - 2.0 * MARGIN)
    }
}

#[cfg(test)]
mod tests;
