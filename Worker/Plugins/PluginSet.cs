using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using static TorchSharp.torch;

namespace Distributed.Worker.Plugins;

/// <summary>The libraries that a worker was started with. A job can only name their classes; no message makes a worker load one.</summary>
internal sealed class PluginSet(params IReadOnlyList<PluginLibrary> libraries)
{
    public static PluginSet None { get; } = new();

    public static PluginSet Load(IEnumerable<string> paths) => new([.. paths.Distinct(StringComparer.Ordinal).Select(PluginLibrary.Load)]);

    public nn.Module CreateModel(PluginSpec spec, SampleFormat samples, int outputs) => (nn.Module)Construction.Create(
        Find(spec.Class, typeof(nn.Module), "model", "torch.nn.Module"), "model.settings", spec.Settings, KnownOf(samples, outputs));

    public ITrainingTask CreateTask(PluginTaskSpec spec, DataSet data) => (ITrainingTask)Construction.Create(
        Find(spec.Class, typeof(ITrainingTask), "task", nameof(ITrainingTask)), "task.settings", spec.Settings,
        KnownOf(data.Train.Format, data.Train.Format.Outputs).Append(new("data", data)));

    private static IEnumerable<KeyValuePair<string, object>> KnownOf(SampleFormat samples, int outputs)
    {
        yield return new("inputs", samples.SampleSize);
        yield return new("outputs", outputs);
        if (samples.Shape is not [var channels, var height, var width]) yield break;
        yield return new("channels", channels);
        yield return new("height", height);
        yield return new("width", width);
    }

    private Type Find(string name, Type kind, string what, string kindName)
    {
        PluginException Refused(string reason) => new($"the job's {what} is {name}, {reason}");
        var advice = $"start it with --plugin and the library that has {name}";
        if (libraries.Count == 0) throw Refused($"a class of a plugin, and this worker was started without any; {advice}");
        List<(PluginLibrary Library, Type Class)> named = [.. libraries
            .SelectMany(library => library.Classes.Select(type => (library, type)))
            .Where(found => found.type.FullName == name || found.type.Name == name)];
        // A full name is unique, whatever other full names end with it.
        if (named.Exists(found => found.Class.FullName == name)) named.RemoveAll(found => found.Class.FullName != name);
        if (named.Count > 1)
        {
            throw Refused($"which is {string.Join(" and ", named.Select(found => $"{found.Class.FullName} of {found.Library.Name}"))}; "
                + "give the full name, or start the worker with one of the libraries");
        }
        if (named is not [var (library, type)])
        {
            var have = libraries.Select(lib => $"{lib.Name} has {Listed(lib.Classes.Where(t => IsUsable(t, kind)))}");
            throw Refused($"a class that no plugin of this worker has ({string.Join("; ", have)}); {advice}");
        }
        return IsUsable(type, kind) ? type : throw Refused($"but {type.FullName} of {library.Name} cannot be one: "
            + $"it must be a class derived from {kindName} that is neither abstract nor generic");
    }

    private static bool IsUsable(Type type, Type kind) =>
        kind.IsAssignableFrom(type) && !type.IsAbstract && !type.ContainsGenericParameters;

    private static string Listed(IEnumerable<Type> types)
    {
        const int Most = 20;
        List<string> names = [.. types.Select(type => type.FullName!).Order(StringComparer.Ordinal)];
        if (names.Count == 0) return "none";
        return string.Join(", ", names.Take(Most)) + (names.Count > Most ? $" and {names.Count - Most} more" : "");
    }
}
