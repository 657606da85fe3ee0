using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace Distributed.Hosting.Processes;

/// <summary>Bounds of a number on the command line.</summary>
internal static class OptionRange
{
    /// <summary>Refuses what is given and lies outside. What is no number at all is refused anyway.</summary>
    /// <param name="least">The least that is allowed.</param>
    /// <param name="most">The most.</param>
    public static void Within<T>(this Option<T> option, T least, T most) where T : INumber<T> =>
        option.Allow(value => value >= least && value <= most, $"{least} to {most}");

    /// <summary>As <see cref="Within"/>, with a rule of its own.</summary>
    /// <param name="allowed">The rule, in a user's words.</param>
    public static void Allow<T>(this Option<T> option, Func<T, bool> isAllowed, string allowed) where T : INumber<T> => option.Validators.Add(result =>
    {
        // Not the converted value, which cannot be asked for where there is none.
        foreach (var token in result.Tokens)
            if (T.TryParse(token.Value, CultureInfo.InvariantCulture, out var value) && !isAllowed(value)) result.AddError($"{option.Name} is {token.Value}; allowed: {allowed}");
    });
}
