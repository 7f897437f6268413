//! `tenure completions` and `tenure man`: what a package installs beside the program, made from the same description of the
//! commands that the program reads its arguments by, so that neither can say something else.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::failure::Failure;

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure completions bash > /usr/share/bash-completion/completions/tenure
  tenure completions zsh > /usr/local/share/zsh/site-functions/_tenure
  tenure completions fish > ~/.config/fish/completions/tenure.fish")]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

impl CompletionsArgs {
    /// Runs the command; `program` is the whole tree of commands.
    pub fn run(&self, mut program: Command, out: &mut impl Write) -> Result<(), Failure> {
        // It ends the process where it cannot write; into memory it always can.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "tenure", &mut script);
        Ok(out.write_all(&script)?)
    }
}

/// Print the manual page of a command, or write those of all commands into a directory
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure man serve | man -l -
  tenure man --dir /usr/local/share/man/man1")]
pub struct ManArgs {
    /// The command, such as `store create`; none: of `tenure` itself
    command: Vec<String>,
    /// Write one page for each command into this directory, which is made if it does not exist
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

impl ManArgs {
    /// Runs the command; `program` is the whole tree of commands.
    pub fn run(&self, program: Command, out: &mut impl Write) -> Result<(), Failure> {
        let mut program = program.disable_help_subcommand(true);
        // Only what is built knows its name in full.
        program.build();
        match &self.dir {
            Some(dir) => fs::create_dir_all(dir).and_then(|()| write_pages(program, dir)).map_err(|reason| {
                let dir = dir.display();
                Failure::Input(format!("cannot write the manual pages into `{dir}`: {reason}"))
            }),
            None => Ok(page(self.find(program)?).render(out)?),
        }
    }

    /// The command that the words name.
    fn find(&self, program: Command) -> Result<Command, Failure> {
        let mut found = program;
        for name in &self.command {
            let within = found.get_name().to_owned();
            let below = found.find_subcommand(name).cloned();
            found = below.ok_or_else(|| Failure::Input(format!("`{within}` has no command `{name}`")))?;
        }
        Ok(found)
    }
}

fn page(command: Command) -> Man {
    let source = concat!("tenure ", env!("CARGO_PKG_VERSION"));
    Man::new(command).source(source).manual("Tenure")
}

/// Writes the pages of a command and of all below it.
fn write_pages(command: Command, dir: &Path) -> io::Result<()> {
    for below in command.get_subcommands().cloned() {
        write_pages(below, dir)?;
    }
    page(command).generate_to(dir).map(drop)
}
