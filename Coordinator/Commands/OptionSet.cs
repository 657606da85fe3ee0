using System.CommandLine;

namespace Distributed.Coordinator.Commands;

/// <summary>Options and arguments of a command, each declared in one call with the member of the record that it sets.</summary>
internal sealed class OptionSet<T>(T defaults)
{
    private readonly List<Symbol> _symbols = [];
    private readonly List<Func<T, ParseResult, T>> _setters = [];

    public IEnumerable<Symbol> All => _symbols;

    public void Text(string name, Func<T, string?, T> set, string description) => Add(Declare.Text(name, description), set);
    public void Text(string name, string fallback, Func<T, string, T> set, string description) =>
        Add(Declare.Text(name, fallback, description), set);
    public void Flag(string name, Func<T, bool, T> set, string description) => Add(Declare.Flag(name, description), set);
    public void Number(string name, int fallback, int least, int most, Func<T, int, T> set, string description) =>
        Add(Declare.Number(name, fallback, least, most, description), set);
    public void Port(string name, Func<T, int, T> set, string whose) => Add(Declare.Port(name, whose), set);
    public void Many(string name, Func<T, string[], T> set, string description) => Add(Declare.Many(name, description), set);

    public void Add<TValue>(Option<TValue> option, Func<T, TValue, T> set) =>
        Add([option], (to, parsed) => set(to, parsed.GetValue(option)!));

    public void Add<TValue>(Argument<TValue> argument, Func<T, TValue, T> set) =>
        Add([argument], (to, parsed) => set(to, parsed.GetValue(argument)!));

    public void Add(IEnumerable<Symbol> symbols, Func<T, ParseResult, T> set)
    {
        _symbols.AddRange(symbols);
        _setters.Add(set);
    }

    public T Read(ParseResult parsed) => _setters.Aggregate(defaults, (arguments, set) => set(arguments, parsed));
}
