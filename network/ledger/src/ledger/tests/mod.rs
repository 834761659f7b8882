mod conflicts;
mod durability;
mod private;
mod rwsets;
