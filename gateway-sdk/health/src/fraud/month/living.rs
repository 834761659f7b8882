//! Members' months: who falls ill, who is seen for it, and what of it looks like fraud and is none.

use careledger_api::adjudication::{Claim, Frequency};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::ClaimId;
use rand::RngExt;

use super::catalogue::{self, AGAIN, APART};
use super::people::{Ailment, Craft};
use super::world::{Visit, World, later};
use crate::fraud::surroundings::weekday;

impl World {
    /// Every member's month.
    pub(super) fn live(&mut self) {
        for member in 0..self.members.len() {
            let Some(ailment) = self.members.get(member).map(|member| member.ailment) else {
                continue;
            };
            match ailment {
                Ailment::Healthy => self.now_and_then(member),
                Ailment::Diabetes => self.diabetes(member),
                Ailment::Clotting => {
                    self.every_week(member, Craft::Laboratory, catalogue::CLOTTING, 5, "D68.9")
                }
                Ailment::Back => self.physiotherapy(member),
                Ailment::Mood => {
                    let kind = self.rng.random_range(0..catalogue::THERAPY.len());
                    let code = catalogue::THERAPY
                        .get(kind)
                        .copied()
                        .unwrap_or(catalogue::THERAPY[0]);
                    self.every_week(
                        member,
                        Craft::Psychotherapy,
                        code,
                        if kind == 0 { 50 } else { 65 },
                        "F32.1",
                    );
                }
                Ailment::Kidneys => self.dialysis(member),
                Ailment::Acute => self.acute(member),
                Ailment::Inpatient => self.inpatient(member),
            }
            if self.chance(30) {
                let doctor = self.doctor(member);
                self.one(member, doctor, vec![(catalogue::VACCINE, 1, None)], "Z23", 5);
            }
        }
        self.corrections();
    }

    fn now_and_then(&mut self, member: usize) {
        let odds = 350 * self.season() / 100;
        if self.chance(odds) {
            let doctor = self.doctor(member);
            let day = self.working_day(doctor);
            self.office(member, doctor, day, "J06.9");
        }
    }

    fn diabetes(&mut self, member: usize) {
        let doctor = self.doctor(member);
        if self.chance(800) {
            let day = self.working_day(doctor);
            self.office(member, doctor, day, "E11.9");
        }
        if self.chance(500) {
            let laboratory = self.of(Craft::Laboratory);
            let day = self.working_day(laboratory);
            let mut lines = vec![(catalogue::GLUCOSE_MEMORY, 1, None)];
            if self.chance(400) {
                lines.push((catalogue::LAB_PANEL, 1, None));
            } else if self.chance(300) {
                // A part by itself: nothing to bundle.
                lines.push((catalogue::LAB_PARTS[0], 1, None));
            }
            self.visit(member, laboratory, day, lines, "E11.9", 5);
        }
        if self.chance(150) {
            self.blood_count(member);
        }
    }

    /// A blood count, and mostly the same a week later; now and then twice on one day, on purpose.
    fn blood_count(&mut self, member: usize) {
        let laboratory = self.of(Craft::Laboratory);
        let day = self.working_day(laboratory);
        self.visit(
            member,
            laboratory,
            day,
            vec![(catalogue::BLOOD_COUNT, 1, None)],
            "E11.9",
            5,
        );
        if self.chance(40) {
            // The modifier that says so is forgotten now and then.
            let modifier = self.chance(850).then_some(AGAIN);
            self.visit(
                member,
                laboratory,
                day,
                vec![(catalogue::BLOOD_COUNT, 1, modifier)],
                "E11.9",
                5,
            );
        }
        if let Some(week) = self.open_after(laboratory, day, 7).filter(|_| self.chance(700)) {
            self.visit(
                member,
                laboratory,
                week,
                vec![(catalogue::BLOOD_COUNT, 1, None)],
                "E11.9",
                5,
            );
        }
    }

    fn every_week(
        &mut self,
        member: usize,
        craft: Craft,
        code: &'static str,
        minutes: u16,
        diagnosis: &'static str,
    ) {
        let performer = self.of(craft);
        let mut next = Some(self.working_day_of_the_first_week(performer));
        while let Some(day) = next {
            if self.chance(900) {
                self.visit(member, performer, day, vec![(code, 1, None)], diagnosis, minutes);
            }
            next = self.open_after(performer, day, 7);
        }
    }

    fn physiotherapy(&mut self, member: usize) {
        let performer = self.of(Craft::Physiotherapy);
        let units = self.rng.random_range(2..=4);
        let twice = self.chance(350);
        let mut next = Some(self.working_day_of_the_first_week(performer));
        let mut turn = 0;
        while let Some(day) = next {
            if self.chance(920) {
                let lines = vec![(catalogue::PHYSIOTHERAPY, units, None)];
                self.visit(member, performer, day, lines, "M54.5", 45);
            }
            turn += 1;
            let step = if twice && turn % 2 == 1 {
                3
            } else if twice {
                4
            } else {
                7
            };
            next = self.open_after(performer, day, step);
        }
    }

    fn dialysis(&mut self, member: usize) {
        let performer = self.of(Craft::Dialysis);
        let odd = self.rng.random::<bool>();
        for day in self.days.clone() {
            let on = if odd { [1, 3, 5] } else { [2, 4, 6] };
            if on.contains(&weekday(day)) {
                self.visit(
                    member,
                    performer,
                    day,
                    vec![(catalogue::DIALYSIS, 1, None)],
                    "N18.6",
                    240,
                );
            }
        }
    }

    fn acute(&mut self, member: usize) {
        let doctor = self.doctor(member);
        match self.rng.random_range(0..100) {
            // Two doctors on one day: the own one, then the emergency room or a colleague.
            0..15 => {
                let day = self.working_day(doctor);
                self.office(member, doctor, day, "R10.9");
                let other = if self.chance(500) {
                    self.of(Craft::General)
                } else {
                    self.of(Craft::Emergency)
                };
                if other != doctor && self.is_open(other, day) {
                    self.office(member, other, day, "R10.9");
                }
            }
            15..45 => {
                let emergency = self.of(Craft::Emergency);
                let lines = vec![(catalogue::EMERGENCY_VISIT, 1, None)];
                let day = self.one(member, emergency, lines, "R07.4", 35);
                let imaging = self.of(Craft::Imaging);
                self.visit(
                    member,
                    imaging,
                    day,
                    vec![(catalogue::CHEST_IMAGE, 1, None)],
                    "R07.4",
                    10,
                );
                if let Some(again) = later(day, 2).filter(|day| self.days.contains(day) && self.chance(250)) {
                    let lines = vec![(catalogue::CHEST_IMAGE, 1, Some(AGAIN))];
                    self.visit(member, imaging, again, lines, "R07.4", 10);
                }
            }
            45..60 => {
                let imaging = self.of(Craft::Imaging);
                let both = vec![
                    (catalogue::KNEE_IMAGE, 1, Some("RT")),
                    (catalogue::KNEE_IMAGE, 1, Some("LT")),
                ];
                self.one(member, imaging, both, "M17.0", 15);
            }
            60..85 => self.operation(member),
            _ => self.blood_count(member),
        }
    }

    /// A small operation, and its dressing changed days later; rarely a part of it done apart, on another visit of the same day.
    fn operation(&mut self, member: usize) {
        let surgeon = self.of(Craft::Surgery);
        let day = self.one(member, surgeon, vec![(catalogue::SURGERY, 1, None)], "S61.0", 40);
        if self.chance(60) {
            let lines = vec![(catalogue::SURGERY_PARTS[1], 1, Some(APART))];
            self.visit(member, surgeon, day, lines, "S61.0", 15);
        }
        let after = if self.chance(120) {
            2
        } else {
            self.rng.random_range(6..=12)
        };
        if let Some(day) = self.open_after(surgeon, day, after).filter(|_| self.chance(600)) {
            let lines = vec![(catalogue::SURGERY_PARTS[2], 1, None)];
            self.visit(member, surgeon, day, lines, "S61.0", 10);
        }
    }

    /// Some days in the hospital; now and then a specimen goes to another laboratory meanwhile, without a visit there.
    fn inpatient(&mut self, member: usize) {
        let ward = self.of(Craft::Ward);
        let first = self.rng.random_range(0..20);
        let length = self.rng.random_range(3..=9);
        let days: Vec<Date> = self.days.iter().skip(first).take(length).copied().collect();
        let (Some(from), Some(until), Some(coverage)) = (
            days.first(),
            days.last(),
            self.members.get(member).map(|m| m.coverage),
        ) else {
            return;
        };
        let stay = DateRange {
            from: *from,
            until: *until,
        };
        self.stays.entry(coverage).or_default().push(stay);
        for day in &days {
            self.visit(
                member,
                ward,
                *day,
                vec![(catalogue::BED_DAY, 1, None)],
                "I21.9",
                60,
            );
        }
        if let Some(day) = days.get(1).filter(|_| self.chance(60)) {
            let laboratory = self.of(Craft::Laboratory);
            if self.is_open(laboratory, *day) {
                let recorded = self.encounters.len();
                self.visit(
                    member,
                    laboratory,
                    *day,
                    vec![(catalogue::CLOTTING, 1, None)],
                    "I21.9",
                    5,
                );
                self.encounters.truncate(recorded);
            }
        }
    }

    /// Every hundredth claim has a wrong charge and is corrected some days later.
    fn corrections(&mut self) {
        for at in 0..self.claims.len() {
            if !self.chance(10) {
                continue;
            }
            let id = ClaimId::from_bytes(self.rng.random());
            let after = self.rng.random_range(4..=10);
            let Some(wrong) = self.claims.get(at).cloned() else {
                continue;
            };
            let mut claim = Claim {
                id,
                frequency: Frequency::Replacement,
                replaces: Some(wrong.claim.id),
                ..wrong.claim
            };
            for line in &mut claim.lines {
                line.charge = line.charge * 9 / 10 + 1;
            }
            self.send(claim, later(wrong.on, after).unwrap_or(wrong.on));
        }
    }

    /// A visit to a doctor, of the level that it takes.
    fn office(&mut self, member: usize, performer: usize, day: Date, diagnosis: &'static str) {
        let Some(sicker) = self.performers.get(performer).map(|performer| performer.sicker) else {
            return;
        };
        if self
            .performers
            .get(performer)
            .is_some_and(|p| p.craft != Craft::General)
        {
            self.visit(
                member,
                performer,
                day,
                vec![(catalogue::EMERGENCY_VISIT, 1, None)],
                diagnosis,
                30,
            );
            return;
        }
        let mut level: usize = match self.rng.random_range(0..100) {
            0..12 => 0,
            12..40 => 1,
            40..75 => 2,
            75..93 => 3,
            _ => 4,
        };
        if self.rng.random_range(0..100) < sicker {
            level = (level + 1).min(4);
        }
        let (Some(code), Some(least)) = (catalogue::VISITS.get(level), catalogue::VISIT_MINUTES.get(level))
        else {
            return;
        };
        // Hardly anybody looks at the clock: some visits are written down as shorter than they were.
        let short = self.chance(40);
        let minutes = if short {
            least * 3 / 4
        } else {
            least + self.rng.random_range(0..=8)
        };
        self.visit(member, performer, day, vec![(*code, 1, None)], diagnosis, minutes);
    }

    /// A visit on a day on which the performer works; that day.
    fn one(
        &mut self,
        member: usize,
        performer: usize,
        lines: Vec<(&'static str, u32, Option<&'static str>)>,
        diagnosis: &'static str,
        minutes: u16,
    ) -> Date {
        let day = self.working_day(performer);
        self.visit(member, performer, day, lines, diagnosis, minutes);
        day
    }

    fn visit(
        &mut self,
        member: usize,
        performer: usize,
        day: Date,
        lines: Vec<(&'static str, u32, Option<&'static str>)>,
        diagnosis: &'static str,
        minutes: u16,
    ) {
        let died = self.members.get(member).and_then(|member| member.died);
        if died.is_some_and(|died| died < day) {
            return;
        }
        let visit = Visit {
            member,
            performer,
            day,
            lines,
            diagnosis,
            minutes,
        };
        // Who was there forgets to record it now and then, and now and then a colleague does.
        if !self.chance(self.settings.unrecorded) {
            let by = if self.chance(10) {
                self.colleague(performer)
            } else {
                performer
            };
            self.record(&visit, by);
        }
        self.claim(&visit);
    }
}
