using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Plugins;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Plugins;

[Collection(TorchTests.Name)]
public sealed class PluginSetTests
{
    private const string Space = "Distributed.Worker.Tests.Plugins";

    private static readonly PluginSet _plugins = new(
        new PluginLibrary("/x/first.dll", [typeof(Recorder), typeof(First.Twin), typeof(Broken), typeof(Nothing), typeof(Half),
            typeof(Ambiguous), typeof(Odd), typeof(OwnTask)]),
        new PluginLibrary("/x/second.dll", [typeof(Second.Twin)]));

    [Fact]
    public void Arguments_of_a_constructor_come_from_the_job_then_the_data_then_the_defaults()
    {
        using var model = (Recorder)_plugins.CreateModel(
            new()
            {
                Class = "Recorder",
                Settings =
                [
                    new("hidden-width", new SettingValue.Whole(5)),
                    new("height", new SettingValue.Whole(3)),
                    new("rate", new SettingValue.Whole(2)),
                    new("sizes", new SettingValue.Wholes([4, 6])),
                    new("scales", new SettingValue.Numbers([0.5, 1])),
                    new("title", new SettingValue.Text("a b")),
                    new("flag", new SettingValue.Flag(true)),
                ],
            },
            Digits.Format, 10);
        Assert.Equal((64, 10, 1, 3, 8L), (model.Inputs, model.Outputs, model.Channels, model.Height, model.Width));
        Assert.Equal((5, 2.0, 0.25f, "a b", true), (model.HiddenWidth, model.Rate, model.Share, model.Title, model.Flag));
        Assert.Equal([4, 6], model.Sizes);
        Assert.Equal([0.5, 1], model.Scales);
    }

    [Theory]
    [InlineData("Missing", "the job's model is Missing, a class that no plugin of this worker has (first.dll has "
        + $"{Space}.Ambiguous, {Space}.Broken, {Space}.First.Twin, {Space}.Odd, {Space}.Recorder; second.dll has {Space}.Second.Twin); "
        + "start it with --plugin and the library that has Missing")]
    [InlineData("Twin", $"the job's model is Twin, which is {Space}.First.Twin of first.dll and {Space}.Second.Twin of second.dll; "
        + "give the full name, or start the worker with one of the libraries")]
    [InlineData("Nothing", $"the job's model is Nothing, but {Space}.Nothing of first.dll cannot be one: "
        + "it must be a class derived from torch.nn.Module that is neither abstract nor generic")]
    [InlineData("Half", $"the job's model is Half, but {Space}.Half of first.dll cannot be one: "
        + "it must be a class derived from torch.nn.Module that is neither abstract nor generic")]
    [InlineData("Broken", "Broken could not be made: no such luck")]
    [InlineData("Ambiguous", "Ambiguous has 2 public constructors; allowed: one")]
    [InlineData("Odd", "the constructor of Odd takes version, a Version, which no job can give; "
        + "allowed: numbers, bool, string, lists of numbers, with a default or without")]
    public void A_class_that_cannot_be_used_is_rejected_with_the_reason(string name, string message) =>
        Assert.Equal(message, Assert.Throws<PluginException>(() =>
            _plugins.CreateModel(new() { Class = name }, Digits.Format, 10)).Message);

    [Fact]
    public void A_full_name_tells_classes_apart()
    {
        using var model = _plugins.CreateModel(new() { Class = "Distributed.Worker.Tests.Plugins.Second.Twin" }, Digits.Format, 10);
        Assert.IsType<Second.Twin>(model);
    }

    [Fact]
    public void A_worker_without_plugins_says_so() => Assert.Equal(
        "the job's model is TinyNet, a class of a plugin, and this worker was started without any; start it with --plugin and the library "
            + "that has TinyNet",
        Assert.Throws<PluginException>(() => PluginSet.None.CreateModel(new() { Class = "TinyNet" }, Digits.Format, 10)).Message);

    [Fact]
    public void Settings_that_do_not_fit_are_named_with_the_allowed_ones()
    {
        const string Allowed = "inputs, outputs, channels, height, width, hidden-width, sizes, scales, rate, share, title, flag";
        Assert.Equal($"model.settings.hidden is not a setting of Recorder; allowed: {Allowed}",
            Refusal(new Setting("hidden", new SettingValue.Whole(1))));
        Assert.Equal("model.settings.hidden-width is missing, which Recorder needs: a whole number (the data gives inputs, outputs, "
            + "channels, height, width)", Refusal());
        Assert.Equal("model.settings.hidden-width is 1.5; Recorder takes a whole number",
            Refusal(new Setting("hidden-width", new SettingValue.Number(1.5))));
        Assert.Equal("model.settings.hidden-width is 5000000000; Recorder takes a whole number",
            Refusal(new Setting("hidden-width", new SettingValue.Whole(5_000_000_000))));
        Assert.Equal("model.settings.sizes is a list of numbers; Recorder takes a list of whole numbers",
            Refusal(new Setting("hidden-width", new SettingValue.Whole(1)), new Setting("sizes", new SettingValue.Numbers([0.5]))));
        Assert.Equal("model.settings.title is true; Recorder takes a text",
            Refusal(new Setting("hidden-width", new SettingValue.Whole(1)), new Setting("title", new SettingValue.Flag(true))));

        static string Refusal(params Setting[] settings) => Assert.Throws<PluginException>(
            () => _plugins.CreateModel(new() { Class = "Recorder", Settings = [.. settings] }, Digits.Format, 10)).Message;
    }

    [Fact]
    public void A_table_has_no_height()
    {
        var settings = ValueList.Create<Setting>([new("hidden-width", new SettingValue.Whole(1))]);
        Assert.Equal("model.settings.channels is missing, which Recorder needs: a whole number (the data gives inputs, outputs)",
            Assert.Throws<PluginException>(
            () => _plugins.CreateModel(new() { Class = "Recorder", Settings = settings }, new ArrayFormat([30], 2), 2)).Message);
    }

    [Fact]
    public void A_task_gets_the_data_set_for_a_parameter_of_any_name()
    {
        var task = (OwnTask)_plugins.CreateTask(new() { Class = "OwnTask", Settings = [new("weight", new SettingValue.Number(0.5))] },
            TestJobs.Data);
        Assert.Equal(TestJobs.Data.Fingerprint, task.DataFingerprint);
        Assert.Equal(0.5, task.Weight);
    }

    [Fact]
    public void A_library_is_loaded_and_its_classes_share_the_workers_torch()
    {
        var library = PluginLibrary.Load(TinyPlugin.Path);
        Assert.Equal(["TinyPlugin.MarginTask", "TinyPlugin.TinyNet"], library.Classes.Select(type => type.FullName!).Order());
        Assert.NotSame(System.Runtime.Loader.AssemblyLoadContext.Default,
            System.Runtime.Loader.AssemblyLoadContext.GetLoadContext(library.Classes[0].Assembly));
        var plugins = new PluginSet(library);
        Assert.IsAssignableFrom<nn.Module<Tensor, Tensor>>(plugins.CreateModel(new() { Class = "TinyNet" }, Digits.Format, 10)).Dispose();
        Assert.IsAssignableFrom<SupervisedTask>(plugins.CreateTask(new() { Class = "MarginTask" }, TestJobs.Data));
    }

    [Fact]
    public void A_plugins_model_is_drawn_from_the_seed()
    {
        var plugins = new PluginSet(PluginLibrary.Load(TinyPlugin.Path));
        Assert.Equal(Parameters(1), Parameters(1));
        Assert.NotEqual(Parameters(1), Parameters(2));

        byte[] Parameters(long seed)
        {
            using var model = JobModels.CreateModel(TestJobs.Of(new PluginSpec { Class = "TinyNet" }) with { Seed = seed }, Digits.Format,
                plugins);
            return [.. model.parameters().SelectMany(parameter => parameter.bytes.ToArray())];
        }
    }
}
