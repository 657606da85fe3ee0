using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using Distributed.Hosting.Processes;

namespace Distributed.Coordinator.Commands;

/// <summary>Declares a command, option or argument in one call.</summary>
internal static class Declare
{
    /// <param name="run">Its failures are reported as <see cref="Failures"/> says.</param>
    public static Command Command(
        string name, string description, IEnumerable<Symbol> symbols, Func<ParseResult, CancellationToken, Task<int>> run)
    {
        var command = new Command(name, description);
        foreach (var argument in symbols.OfType<Argument>()) command.Add(argument);
        foreach (var option in symbols.OfType<Option>()) command.Add(option);
        command.SetAction((parsed, cancel) => Failures.ReportAsync(() => run(parsed, cancel)));
        return command;
    }

    public static Option<string?> Text(string name, string description) => new(name) { Description = description };

    public static Option<string> Text(string name, string fallback, string description) =>
        new(name) { Description = description, DefaultValueFactory = _ => fallback };

    public static Option<string> Required(string name, string description) => new(name) { Description = description, Required = true };
    public static Option<bool> Flag(string name, string description) => new(name) { Description = description };
    public static Option<bool> Flag(string name, bool fallback, string description) =>
        new(name) { Description = description, DefaultValueFactory = _ => fallback };

    public static Option<int> Number(string name, int fallback, int least, int most, string description)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => fallback };
        option.Within(least, most);
        return option;
    }

    public static Option<int> Port(string name, string whose) =>
        Number(name, 0, 0, IPEndPoint.MaxPort, $"Port of {whose}; 0 for a free one.");

    /// <summary>An option that may be given more than once.</summary>
    public static Option<string[]> Many(string name, string description) =>
        new(name) { Description = $"{description}; may be given more than once.", DefaultValueFactory = _ => [] };

    /// <summary>Rejects tokens that look like options: the parser would take a mistyped option for the argument.</summary>
    public static Argument<T> Argument<T>(string name, ArgumentArity arity, string description)
    {
        var argument = new Argument<T>(name) { Description = description, Arity = arity };
        argument.Validators.Add(result =>
        {
            var command = (result.Parent as CommandResult)?.Command.Name;
            foreach (var token in result.Tokens.Where(token => token.Value.StartsWith('-')))
                result.AddError($"unknown option {token.Value}; {command} --help lists the options");
        });
        return argument;
    }
}
