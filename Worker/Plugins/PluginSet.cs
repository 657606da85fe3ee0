using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using static TorchSharp.torch;

namespace Distributed.Worker.Plugins;

/// <summary>
/// The libraries that a worker was started with. A job only names a class of them: nothing is loaded because a message said so.
/// </summary>
internal sealed class PluginSet
{
    private readonly IReadOnlyList<PluginLibrary> _libraries;

    public PluginSet(params IReadOnlyList<PluginLibrary> libraries) => _libraries = libraries;

    /// <summary>That of a worker that was started with none.</summary>
    public static PluginSet None { get; } = new();

    /// <exception cref="PluginException">One cannot be loaded.</exception>
    public static PluginSet Load(IEnumerable<string> paths) => new([.. paths.Distinct(StringComparer.Ordinal).Select(PluginLibrary.Load)]);

    /// <summary>A model, drawn from torch's default generator.</summary>
    /// <param name="spec">Which, and what the job gives it.</param>
    /// <param name="samples">What the samples are like, which gives the rest.</param>
    /// <param name="outputs">Numbers that the job's task asks for of a sample.</param>
    /// <exception cref="PluginException">There is no such model, or it cannot be made so.</exception>
    public nn.Module CreateModel(PluginSpec spec, SampleFormat samples, int outputs) => (nn.Module)Construction.Create(
        Find(spec.Class, typeof(nn.Module), "model", "torch.nn.Module"), "model.settings", spec.Settings, KnownOf(samples, outputs));

    /// <param name="spec">Which, and what the job gives it.</param>
    /// <exception cref="PluginException">There is no such task, or it cannot be made so.</exception>
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
        if (_libraries.Count == 0)
            throw new PluginException($"the job's {what} is {name}, a class of a plugin, and this worker was started without any; start it with --plugin and the library that has {name}");
        List<(PluginLibrary Library, Type Class)> named = [.. _libraries
            .SelectMany(library => library.Classes.Select(type => (library, type)))
            .Where(found => found.type.FullName == name || found.type.Name == name)];
        // A full name means one class, whatever else ends so.
        if (named.Exists(found => found.Class.FullName == name)) named.RemoveAll(found => found.Class.FullName != name);
        if (named.Count > 1)
        {
            throw new PluginException($"the job's {what} is {name}, which is {string.Join(" and ", named.Select(found => $"{found.Class.FullName} of {found.Library.Name}"))}; "
                + "give the full name, or start the worker with one of the libraries");
        }
        if (named is not [var (library, type)])
        {
            var have = string.Join("; ", _libraries.Select(lib => $"{lib.Name} has {Listed(lib.Classes.Where(t => IsUsable(t, kind)))}"));
            throw new PluginException($"the job's {what} is {name}, a class that no plugin of this worker has ({have}); start it with --plugin and the library that has {name}");
        }
        return IsUsable(type, kind) ? type
            : throw new PluginException($"the job's {what} is {name}, but {type.FullName} of {library.Name} is none: it must be a class derived from {kindName} that is neither abstract nor generic");
    }

    private static bool IsUsable(Type type, Type kind) => kind.IsAssignableFrom(type) && !type.IsAbstract && !type.ContainsGenericParameters;

    private static string Listed(IEnumerable<Type> types)
    {
        const int Most = 20;
        List<string> names = [.. types.Select(type => type.FullName!).Order(StringComparer.Ordinal)];
        return names.Count == 0 ? "none" : string.Join(", ", names.Take(Most)) + (names.Count > Most ? $" and {names.Count - Most} more" : "");
    }
}
